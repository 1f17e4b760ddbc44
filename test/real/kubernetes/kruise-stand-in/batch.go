package main

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// One reconcile of a BatchRelease; each change of its state is stored, and the next one comes two seconds later.
func (c *controller) reconcileBatch(ctx context.Context, br *batchRelease, w *workload) error {
	s := br.Status
	s.ObservedGeneration = br.Generation
	cursor := br.Spec.ReleasePlan.BatchPartition
	switch {
	case s.Phase == "Completed":
		return nil
	case w == nil || cursor == nil && s.Phase != "Finalizing":
		s.Phase = "Finalizing"
	case s.Phase == "Finalizing":
		if err := c.giveBack(ctx, w.d); err != nil {
			return err
		}
		s.Phase = "Completed"
	case s.Phase == "":
		s.Phase = "Preparing"
	case w.stale:
		return nil
	case s.Phase == "Preparing":
		if err := c.takeControl(ctx, br, w.d); err != nil {
			return err
		}
		s.Phase, s.Canary.BatchState, s.Canary.CurrentBatch = "Progressing", "Upgrading", *cursor
	case br.Status.ObservedGeneration != br.Generation:
		s.Canary.BatchState, s.Canary.CurrentBatch = "Upgrading", *cursor
	default:
		if err := c.batch(ctx, br, &s, w); err != nil {
			return err
		}
	}
	return c.patchBatchRelease(ctx, br, map[string]any{"status": s}, "status")
}

func (c *controller) batch(ctx context.Context, br *batchRelease, s *batchStatus, w *workload) error {
	share := br.Spec.ReleasePlan.Batches[s.Canary.CurrentBatch].CanaryReplicas
	desired := limitOf(share, replicasOf(w.d))
	ready := int64(0)
	if w.fresh != nil {
		ready = int64(w.fresh.Status.ReadyReplicas)
	}
	s.Canary.UpdatedReplicas, s.Canary.UpdatedReadyReplicas = size(w.fresh), ready
	if s.Canary.BatchState == "Upgrading" {
		s.Canary.BatchState = "Verifying"
		return c.advance(ctx, w.d, share)
	}
	// It waits for new pods that are ready, and not for old ones to go.
	if size(w.fresh) >= desired && ready >= desired {
		s.Canary.BatchState = "Ready"
	} else {
		s.Canary.BatchState = "Upgrading"
	}
	return nil
}

func (c *controller) takeControl(ctx context.Context, br *batchRelease, d *appsv1.Deployment) error {
	owner := text(metav1.NewControllerRef(br, batchResource.GroupVersion().WithKind("BatchRelease")))
	if d.Annotations[controlInfo] == owner {
		return nil
	}
	s := strategy{RollingStyle: "Partition", RollingUpdate: d.Spec.Strategy.RollingUpdate, Partition: intstr.FromInt32(0)}
	if before := strategyOf(d); before != nil {
		s.RollingUpdate = before.RollingUpdate
	}
	return c.patchDeployment(ctx, d, map[string]any{
		"metadata": map[string]any{
			"labels":      map[string]any{advanced: "true"},
			"annotations": map[string]any{controlInfo: owner, strategyKey: text(s)},
		},
		"spec": map[string]any{"paused": true, "strategy": map[string]any{"type": "Recreate", "rollingUpdate": nil}},
	})
}

// Only ever upward; a percentage outranks every number, as both are scaled to a base of ten million.
func (c *controller) advance(ctx context.Context, d *appsv1.Deployment, share intstr.IntOrString) error {
	s := strategyOf(d)
	if s == nil {
		return nil
	}
	const base = 10_000_000
	is, err := intstr.GetScaledValueFromIntOrPercent(&s.Partition, base, true)
	if err != nil {
		return err
	}
	wanted, err := intstr.GetScaledValueFromIntOrPercent(&share, base, true)
	if err != nil || is >= wanted {
		return err
	}
	s.Partition = share
	return c.patchDeployment(ctx, d, map[string]any{"metadata": map[string]any{"annotations": map[string]any{strategyKey: text(s)}}})
}

// Nothing where the Deployment is not paused any more, or not under control.
func (c *controller) giveBack(ctx context.Context, d *appsv1.Deployment) error {
	if !d.Spec.Paused || d.Annotations[controlInfo] == "" {
		return nil
	}
	back := map[string]any{"type": "RollingUpdate"}
	if s := strategyOf(d); s != nil && s.RollingUpdate != nil {
		back["rollingUpdate"] = s.RollingUpdate
	}
	return c.patchDeployment(ctx, d, map[string]any{
		"metadata": map[string]any{
			"labels":      map[string]any{advanced: nil, stableRevision: nil},
			"annotations": map[string]any{controlInfo: nil, strategyKey: nil, extraStatus: nil},
		},
		"spec": map[string]any{"paused": false, "strategy": back},
	})
}
