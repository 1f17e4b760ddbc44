package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/rand"
)

// Stable, and not the one that the Deployment controller computes.
func templateHash(template *corev1.PodTemplateSpec) string {
	plain := template.DeepCopy()
	delete(plain.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	sum := fnv.New32a()
	sum.Write([]byte(text(plain)))
	return rand.SafeEncodeString(fmt.Sprint(sum.Sum32()))
}

func (c *controller) replicaSets(ctx context.Context, d *appsv1.Deployment) ([]*appsv1.ReplicaSet, error) {
	list, err := c.typed.AppsV1().ReplicaSets(d.Namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(d.Spec.Selector)})
	if err != nil {
		return nil, err
	}
	var result []*appsv1.ReplicaSet
	for index := range list.Items {
		if metav1.IsControlledBy(&list.Items[index], d) {
			result = append(result, &list.Items[index])
		}
	}
	return result, nil
}

func newSet(sets []*appsv1.ReplicaSet, d *appsv1.Deployment) *appsv1.ReplicaSet {
	for _, set := range sets {
		if sameTemplate(&set.Spec.Template, &d.Spec.Template) {
			return set
		}
	}
	return nil
}

func replicasOf(d *appsv1.Deployment) int64 {
	if d.Spec.Replicas == nil {
		return 1
	}
	return int64(*d.Spec.Replicas)
}

// How many pods a share is: a percentage short of all never takes the last pod.
func limitOf(share intstr.IntOrString, replicas int64) int64 {
	scaled, err := intstr.GetScaledValueFromIntOrPercent(&share, int(replicas), true)
	if err != nil {
		return 0
	}
	limit := max(0, min(int64(scaled), replicas))
	if share.Type == intstr.String && share.StrVal != "100%" && replicas > 1 {
		limit = min(limit, replicas-1)
	}
	return limit
}

// How far pods may be beyond and below the count.
func margins(update *appsv1.RollingUpdateDeployment, replicas int64) (surge, unavailable int64) {
	if update != nil && update.MaxSurge != nil {
		value, _ := intstr.GetScaledValueFromIntOrPercent(update.MaxSurge, int(replicas), true)
		surge = int64(value)
	}
	quarter := intstr.FromString("25%")
	allowed := &quarter
	if update != nil && update.MaxUnavailable != nil {
		allowed = update.MaxUnavailable
	}
	value, _ := intstr.GetScaledValueFromIntOrPercent(allowed, int(replicas), false)
	if unavailable = int64(value); surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, unavailable
}

// The forked Deployment controller: moves pods of a Deployment that is paused and of type Recreate, one move a call.
func (c *controller) roll(ctx context.Context, d *appsv1.Deployment, sets []*appsv1.ReplicaSet) error {
	s := strategyOf(d)
	if s == nil || s.Paused || d.Annotations[controlInfo] == "" || !d.Spec.Paused || d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
		return nil
	}
	if _, err := c.typed.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, mutatingName, metav1.GetOptions{}); err != nil {
		return err
	}
	replicas, limit := replicasOf(d), limitOf(s.Partition, replicasOf(d))
	surge, unavailable := margins(s.RollingUpdate, replicas)
	fresh := newSet(sets, d)
	if fresh == nil {
		if limit == 0 {
			return nil
		}
		return c.createSet(ctx, d, sets, min(limit, max(surge, 1)))
	}
	var old []*appsv1.ReplicaSet
	all := size(fresh)
	for _, set := range sets {
		if set != fresh && size(set) > 0 {
			old, all = append(old, set), all+size(set)
		}
	}
	if len(old) == 0 {
		return c.scale(ctx, fresh, replicas)
	}
	if grown := min(limit, size(fresh)+min(replicas+surge-all, replicas-size(fresh))); grown > size(fresh) {
		return c.scale(ctx, fresh, grown)
	}
	if err := c.shrink(ctx, old, all-(replicas-unavailable)-(size(fresh)-int64(fresh.Status.AvailableReplicas)), all-size(fresh)-(replicas-max(limit, size(fresh)))); err != nil {
		return err
	}
	extra := text(map[string]int64{"updatedReadyReplicas": int64(fresh.Status.ReadyReplicas), "expectedUpdatedReplicas": limit})
	if d.Annotations[extraStatus] == extra {
		return nil
	}
	return c.patchDeployment(ctx, d, map[string]any{"metadata": map[string]any{"annotations": map[string]any{extraStatus: extra}}})
}

// Pods of older templates that are beyond the plan go, as far as those that are there allow; what is short comes back.
func (c *controller) shrink(ctx context.Context, old []*appsv1.ReplicaSet, allowed, beyond int64) error {
	slices.SortFunc(old, func(a, b *appsv1.ReplicaSet) int { return int(size(a) - size(b)) })
	biggest := old[len(old)-1]
	if beyond < 0 {
		return c.scale(ctx, biggest, size(biggest)-beyond)
	}
	left := min(allowed, beyond)
	for _, set := range old {
		if gone := min(left, size(set)); gone > 0 {
			if err := c.scale(ctx, set, size(set)-gone); err != nil {
				return err
			}
			left -= gone
		}
	}
	return nil
}

func (c *controller) createSet(ctx context.Context, d *appsv1.Deployment, sets []*appsv1.ReplicaSet, replicas int64) error {
	hash, count, latest := templateHash(&d.Spec.Template), int32(replicas), 0
	for _, set := range sets {
		latest = max(latest, revision(set))
	}
	set := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Name: d.Name + "-" + hash, Namespace: d.Namespace, Labels: map[string]string{},
			Annotations:     map[string]string{"deployment.kubernetes.io/revision": fmt.Sprint(latest + 1)},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: &count, MinReadySeconds: d.Spec.MinReadySeconds, Selector: d.Spec.Selector.DeepCopy(), Template: *d.Spec.Template.DeepCopy()},
	}
	for key, value := range d.Spec.Template.Labels {
		set.Labels[key] = value
	}
	set.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = hash
	set.Spec.Template.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = hash
	set.Spec.Selector.MatchLabels[appsv1.DefaultDeploymentUniqueLabelKey] = hash
	_, err := c.typed.AppsV1().ReplicaSets(d.Namespace).Create(ctx, set, metav1.CreateOptions{})
	return err
}

func (c *controller) scale(ctx context.Context, set *appsv1.ReplicaSet, replicas int64) error {
	if size(set) == replicas {
		return nil
	}
	changed, count := set.DeepCopy(), int32(replicas)
	changed.Spec.Replicas = &count
	_, err := c.typed.AppsV1().ReplicaSets(set.Namespace).Update(ctx, changed, metav1.UpdateOptions{})
	return err
}
