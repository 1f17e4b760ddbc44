package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	kerrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
)

type controller struct {
	options
	typed   kubernetes.Interface
	untyped dynamic.Interface
	random  *rand.Rand
	known   map[string]*memory
}

// Of one Rollout, until the process ends.
type memory struct {
	copy          *rollout // what the last reconcile was computed from
	workload      string   // resource version then
	due, batchDue time.Time
	batch         int64  // generation of the BatchRelease then
	wrote         string // resource version of the last status that is its own
}

// The workload as the Rollout controller reads it.
type workload struct {
	d                  *appsv1.Deployment
	sets               []*appsv1.ReplicaSet
	fresh              *appsv1.ReplicaSet // of the Deployment's template
	revision, hash     string
	progressing, stale bool
}

func (w *workload) back() bool {
	return w.progressing && w.hash != "" && w.d.Labels[stableRevision] == w.hash
}

var errLater = errors.New("later")

func (c *controller) look(ctx context.Context) error {
	list, err := c.untyped.Resource(rolloutResource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for index := range list.Items {
		object := &list.Items[index]
		r, err := read[rollout](object)
		if err != nil {
			return err
		}
		key := r.Namespace + "/" + r.Name
		if c.known[key] == nil || c.known[key].copy.UID != r.UID {
			c.known[key] = &memory{copy: r}
			c.known[key].copy.ResourceVersion = ""
			if r, err = read[rollout](object); err != nil {
				return err
			}
		}
		if err := c.one(ctx, r, c.known[key]); err != nil && ctx.Err() == nil {
			log.Printf("%s: %v", key, err)
		}
	}
	return nil
}

// All three controllers, for one Rollout.
func (c *controller) one(ctx context.Context, r *rollout, m *memory) error {
	w, err := c.workload(ctx, r)
	if err != nil {
		return err
	}
	br, err := c.batchRelease(ctx, r)
	if err != nil {
		return err
	}
	if w != nil {
		if err := c.roll(ctx, w.d, w.sets); err != nil {
			return err
		}
	}
	now := time.Now()
	if br != nil && (br.Generation != m.batch || !now.Before(m.batchDue)) {
		m.batch, m.batchDue = br.Generation, now.Add(batchGrace)
		if err := c.reconcileBatch(ctx, br, w); err != nil {
			return err
		}
	}
	version := ""
	if w != nil {
		version = w.d.ResourceVersion
	}
	if r.ResourceVersion == m.copy.ResourceVersion && version == m.workload && now.Before(m.due) {
		return nil
	}
	before := m.copy
	m.copy, m.workload, m.due = r, version, now.Add(grace)
	if decided(before, r) != "" && r.ResourceVersion != m.wrote && !c.keepsDecision(ctx, before) {
		m.copy = before
		return nil
	}
	return c.reconcile(ctx, r, w, br)
}

// What somebody has decided between two states of a Rollout; empty: nothing.
func decided(before, after *rollout) string {
	was, is := before.Status.Canary, after.Status.Canary
	switch {
	case was == nil || is == nil || was.CurrentStepIndex != is.CurrentStepIndex:
		return ""
	case was.CurrentStepState == "StepPaused" && is.CurrentStepState == "StepReady":
		return fmt.Sprintf("approval of step %d", is.CurrentStepIndex)
	case was.NextStepIndex != is.NextStepIndex:
		return fmt.Sprintf("jump to step %d", is.NextStepIndex)
	}
	return ""
}

// Of 20 approvals 14 are overwritten by a status that was computed before them. 6 of these are lost for good; of the others
// the next reconcile still sees the approved copy. Jumps are decided in the same status.
func (c *controller) keepsDecision(ctx context.Context, before *rollout) bool {
	if c.random.Float64() >= c.stale {
		return true
	}
	stale := before.Status
	stale.Message = "BatchRelease is at state Ready, rollout-id , step 1"
	c.beLate(ctx)
	if err := c.write(ctx, before, &stale); err != nil {
		log.Print(err)
	}
	return c.random.Float64() >= 6.0/14
}

func (c *controller) beLate(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(c.random.Float64() * float64(c.lag))):
	}
}

// The whole status, whatever is there by now.
func (c *controller) write(ctx context.Context, from *rollout, status *status) error {
	rollouts := c.untyped.Resource(rolloutResource).Namespace(from.Namespace)
	version := ""
	if c.random.Float64() < c.conflicts {
		version = "1"
	}
	for {
		live, err := rollouts.Get(ctx, from.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if live.GetUID() != from.UID {
			return nil
		}
		there, err := read[rollout](live)
		if err != nil {
			return err
		}
		live.Object["status"] = must(runtime.DefaultUnstructuredConverter.ToUnstructured(status))
		if version != "" {
			live.SetResourceVersion(version)
		}
		written, err := rollouts.UpdateStatus(ctx, live, metav1.UpdateOptions{})
		if err == nil {
			c.known[from.Namespace+"/"+from.Name].wrote = written.GetResourceVersion()
			if what := decided(&rollout{Status: *status}, there); what != "" {
				log.Printf("%s overwritten", what)
			}
		}
		if !kerrors.IsConflict(err) {
			return err
		}
		log.Print("conflict")
		version = ""
	}
}

func (c *controller) workload(ctx context.Context, r *rollout) (*workload, error) {
	d, err := c.typed.AppsV1().Deployments(r.Namespace).Get(ctx, r.Spec.WorkloadRef.Name, metav1.GetOptions{})
	if kerrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	w := &workload{d: d, revision: templateHash(&d.Spec.Template), progressing: d.Annotations[inProgressing] != "", stale: d.Generation != d.Status.ObservedGeneration}
	if w.sets, err = c.replicaSets(ctx, d); err != nil {
		return nil, err
	}
	if w.fresh = newSet(w.sets, d); w.fresh != nil {
		w.hash = w.fresh.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	}
	return w, nil
}

// The Rollout that selects this workload, if one does.
func (c *controller) rolloutOf(ctx context.Context, d *appsv1.Deployment) (string, error) {
	list, err := c.untyped.Resource(rolloutResource).Namespace(d.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	for index := range list.Items {
		r, err := read[rollout](&list.Items[index])
		if err != nil {
			return "", err
		}
		if r.Spec.WorkloadRef.Kind == "Deployment" && r.Spec.WorkloadRef.Name == d.Name && r.DeletionTimestamp == nil && r.Status.Phase != "Disabled" {
			return r.Name, nil
		}
	}
	return "", nil
}

func (c *controller) batchRelease(ctx context.Context, r *rollout) (*batchRelease, error) {
	object, err := c.untyped.Resource(batchResource).Namespace(r.Namespace).Get(ctx, r.Name, metav1.GetOptions{})
	if kerrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return read[batchRelease](object)
}

func (c *controller) patchRollout(ctx context.Context, r *rollout, patch map[string]any) error {
	_, err := c.untyped.Resource(rolloutResource).Namespace(r.Namespace).Patch(ctx, r.Name, types.MergePatchType, []byte(text(patch)), metav1.PatchOptions{})
	return err
}

func (c *controller) reconcile(ctx context.Context, r *rollout, w *workload, br *batchRelease) error {
	if done, err := c.prepare(ctx, r, w); done || err != nil {
		return err
	}
	content := runtime.DeepCopyJSON(must(runtime.DefaultUnstructuredConverter.ToUnstructured(&r.Status)))
	p := &pass{c: c, r: r, w: w, br: br}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &p.s); err != nil {
		return err
	}
	if err := p.run(ctx); err != nil {
		if errors.Is(err, errLater) {
			return nil
		}
		return err
	}
	if equality.Semantic.DeepEqual(p.s, r.Status) {
		return nil
	}
	c.beLate(ctx)
	if r.Status.Canary != nil && r.Status.Canary.CurrentStepState == "StepReady" && p.s.Canary.CurrentStepState != "StepReady" {
		log.Printf("step %d passed", r.Status.Canary.CurrentStepIndex)
	}
	return c.write(ctx, r, &p.s)
}

func must(content map[string]any, err error) map[string]any {
	if err != nil {
		panic(err)
	}
	return content
}

// Finalizer and label.
func (c *controller) prepare(ctx context.Context, r *rollout, w *workload) (bool, error) {
	terminated := find(r.Status.Conditions, "Terminating")
	switch held := len(r.Finalizers) > 0; {
	case r.DeletionTimestamp == nil && !held:
		return false, c.patchRollout(ctx, r, map[string]any{"metadata": map[string]any{"finalizers": []string{rolloutFinalizer}}})
	case r.DeletionTimestamp != nil && terminated != nil && terminated.Reason == "Completed":
		return true, c.patchRollout(ctx, r, map[string]any{"metadata": map[string]any{"finalizers": nil}})
	}
	if w != nil && w.d.Labels[workloadType] == "" {
		return false, c.patchDeployment(ctx, w.d, map[string]any{"metadata": map[string]any{"labels": map[string]string{workloadType: "deployment"}}})
	}
	return false, nil
}

func (c *controller) createBatchRelease(ctx context.Context, br *batchRelease) error {
	content := must(runtime.DefaultUnstructuredConverter.ToUnstructured(br))
	delete(content, "status")
	_, err := c.untyped.Resource(batchResource).Namespace(br.Namespace).Create(ctx, &unstructured.Unstructured{Object: content}, metav1.CreateOptions{})
	return err
}

func (c *controller) patchBatchRelease(ctx context.Context, br *batchRelease, patch map[string]any, subresource ...string) error {
	_, err := c.untyped.Resource(batchResource).Namespace(br.Namespace).Patch(ctx, br.Name, types.MergePatchType, []byte(text(patch)), metav1.PatchOptions{}, subresource...)
	return err
}

func (c *controller) deleteBatchRelease(ctx context.Context, br *batchRelease) error {
	return c.untyped.Resource(batchResource).Namespace(br.Namespace).Delete(ctx, br.Name, metav1.DeleteOptions{})
}
