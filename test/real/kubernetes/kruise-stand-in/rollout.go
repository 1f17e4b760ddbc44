package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// One reconcile of a Rollout: s is what its status is to be.
type pass struct {
	c  *controller
	r  *rollout
	w  *workload
	br *batchRelease
	s  status
}

func stamp() string { return time.Now().UTC().Format(time.RFC3339) }

func since(text string) time.Duration {
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0
	}
	return time.Since(when)
}

func find(conditions []condition, name string) *condition {
	for index := range conditions {
		if conditions[index].Type == name {
			return &conditions[index]
		}
	}
	return nil
}

// A condition that is there keeps its times, whatever becomes of it.
func (p *pass) condition(name, status, reason, message string) {
	if c := find(p.s.Conditions, name); c != nil {
		c.Status, c.Reason, c.Message = status, reason, message
		return
	}
	p.s.Conditions = append(p.s.Conditions, condition{name, status, reason, message, stamp(), stamp()})
}

func (p *pass) forget(name string) {
	var kept []condition
	for _, c := range p.s.Conditions {
		if c.Type != name {
			kept = append(kept, c)
		}
	}
	p.s.Conditions = kept
}

func (p *pass) steps() int64 { return int64(len(p.r.Spec.Strategy.Canary.Steps)) }

func (p *pass) next(index int64) int64 {
	if index < p.steps() {
		return index + 1
	}
	return -1
}

func (p *pass) run(ctx context.Context) error {
	old := p.s.Phase
	if err := p.phase(); err != nil {
		return err
	}
	var err error
	switch old {
	case "Progressing":
		err = p.progress(ctx)
	case "Terminating":
		if condition := find(p.s.Conditions, "Terminating"); condition.Reason == "InTerminating" {
			var done bool
			if done, err = p.finalise(ctx, "Immediate"); done {
				condition.Status, condition.Reason = "False", "Completed"
			}
		}
	case "Disabling":
		var done bool
		if done, err = p.finalise(ctx, "Immediate"); done {
			p.s.Phase, p.s.Message = "Disabled", "Rollout is disabled"
		}
	}
	if p.s.Canary != nil {
		p.s.CurrentStepIndex, p.s.CurrentStepState = p.s.Canary.CurrentStepIndex, p.s.Canary.CurrentStepState
	}
	return err
}

func (p *pass) phase() error {
	s := &p.s
	s.ObservedGeneration = p.r.Generation
	switch {
	case p.r.DeletionTimestamp != nil:
		if s.Phase != "Terminating" {
			s.Phase = "Terminating"
			p.condition("Terminating", "True", "InTerminating", "Rollout is in terminating")
		}
		return nil
	case p.r.Spec.Disabled && s.Phase == "Progressing":
		s.Phase, s.Message = "Disabling", "Disabling rollout, release resources"
	case p.r.Spec.Disabled && s.Phase != "Disabling":
		s.Phase, s.Message = "Disabled", "Rollout is disabled"
	case s.Phase == "":
		s.Phase = "Initial"
	}
	if p.r.Spec.Disabled {
		return nil
	}
	if p.w == nil {
		*s = status{ObservedGeneration: p.r.Generation, Phase: "Initial", Message: "Workload Not Found"}
		return nil
	}
	if p.w.stale {
		return errLater
	}
	if s.Canary != nil && s.Canary.CanaryRevision == p.w.revision {
		s.Canary.ObservedWorkloadGeneration = p.w.d.Generation
	}
	switch s.Phase {
	case "Initial", "Disabled":
		s.Phase, s.Message = "Healthy", "rollout is healthy"
	case "Healthy":
		if p.w.progressing {
			s.Phase = "Progressing"
			p.forget("Succeeded")
			p.forget("Progressing")
			p.condition("Progressing", "True", "Initializing", "Rollout is in Progressing")
		} else if s.Canary == nil {
			s.Message = "workload deployment is completed"
			s.Canary = p.fresh(p.steps(), "Completed")
		}
	}
	return nil
}

func (p *pass) fresh(index int64, state string) *canary {
	return &canary{
		ObservedWorkloadGeneration: p.w.d.Generation, StableRevision: p.w.d.Labels[stableRevision], CanaryRevision: p.w.revision, PodTemplateHash: p.w.hash,
		CurrentStepIndex: index, NextStepIndex: p.next(index), CurrentStepState: state, LastUpdateTime: stamp(),
	}
}

func (p *pass) progress(ctx context.Context) error {
	if p.s.Phase != "Progressing" {
		return nil
	}
	c := find(p.s.Conditions, "Progressing")
	switch c.Reason {
	case "Initializing":
		p.s.Canary = p.fresh(1, "BeforeStepUpgrade")
		if since(c.LastUpdateTime) >= grace {
			c.Reason, c.Message = "InRolling", "Rollout is in Progressing"
		} else if old := p.r.Status.Canary; old != nil && old.CanaryRevision == p.w.revision {
			p.s.Canary.LastUpdateTime = old.LastUpdateTime
		}
	case "InRolling":
		return p.rolling(ctx, c)
	case "Paused":
		if !p.r.Spec.Strategy.Paused {
			c.Reason, c.Message = "InRolling", "Rollout is in Progressing"
		}
	case "Finalising", "Cancelling":
		policy, how, succeeded := "WaitResume", "completed", "True"
		if c.Reason == "Cancelling" {
			policy, how, succeeded = "Immediate", "canceled", "False"
		}
		done, err := p.finalise(ctx, policy)
		if done {
			c.Status, c.Reason, c.Message = "False", "Completed", "Rollout progressing has been "+how
			p.condition("Succeeded", succeeded, "", "")
		}
		return err
	case "Completed":
		p.s.Phase, p.s.Message = "Healthy", "rollout is healthy"
	}
	return nil
}

func (p *pass) rolling(ctx context.Context, c *condition) error {
	canary := p.s.Canary
	changed := canary.CanaryRevision != "" && canary.CanaryRevision != p.w.revision
	switch {
	case changed && p.w.back():
		canary.CanaryRevision = p.w.revision
		c.Reason, c.Message = "Cancelling", "The workload has been rolled back and the rollout process will be canceled"
	case p.r.Spec.Strategy.Paused:
		c.Reason, c.Message = "Paused", "Rollout has been paused, you can resume it by kube-cli"
	case changed:
		if p.br != nil {
			if err := p.c.deleteBatchRelease(ctx, p.br); err != nil {
				return err
			}
			return errLater
		}
		p.s.Canary = nil
		c.Reason, c.Message = "Initializing", "Workload is continuous release"
	case canary.CurrentStepState == "Completed":
		c.Reason, c.Message = "Finalising", "Rollout has been completed and some closing work is being done"
	default:
		return p.step(ctx)
	}
	return nil
}

func (p *pass) to(state string) {
	p.s.Canary.CurrentStepState, p.s.Canary.LastUpdateTime = state, stamp()
}

func (p *pass) say(format string, arguments ...any) { p.s.Message = fmt.Sprintf(format, arguments...) }

func (p *pass) step(ctx context.Context) error {
	canary := p.s.Canary
	if br := p.br; br != nil {
		canary.CanaryReplicas, canary.CanaryReadyReplicas = br.Status.Canary.UpdatedReplicas, br.Status.Canary.UpdatedReadyReplicas
		p.say("BatchRelease is at state %s, rollout-id , step %d", br.Status.Canary.BatchState, br.Status.Canary.CurrentBatch+1)
	}
	if next := canary.NextStepIndex; next != p.next(canary.CurrentStepIndex) && next >= 1 && next <= p.steps() {
		canary.CurrentStepIndex, canary.NextStepIndex = next, p.next(next)
		p.to("BeforeStepUpgrade")
		return nil
	}
	index, count := canary.CurrentStepIndex, p.steps()
	plan := p.r.Spec.Strategy.Canary.Steps[index-1]
	switch canary.CurrentStepState {
	case "BeforeStepUpgrade":
		p.to("StepUpgrade")
	case "StepUpgrade":
		p.say("Rollout is in step(%d/%d), and upgrade workload to new version", index, count)
		done, err := p.upgrade(ctx)
		if err != nil || !done {
			return err
		}
		canary.PodTemplateHash = p.w.hash
		p.to("StepTrafficRouting")
	case "StepTrafficRouting":
		p.to("StepMetricsAnalysis")
	case "StepMetricsAnalysis":
		canary.CurrentStepState = "StepPaused"
	case "StepPaused":
		last := index == count && plan.Replicas != nil && plan.Replicas.StrVal == "100%"
		switch {
		case last:
			p.to("StepReady")
		case plan.Pause.Duration == nil:
			p.say("Rollout is in step(%d/%d), and you need manually confirm to enter the next step", index, count)
		case since(canary.LastUpdateTime) >= time.Duration(*plan.Pause.Duration)*time.Second:
			p.to("StepReady")
		default:
			p.say("Rollout is in step(%d/%d), and wait duration(%d seconds) to enter the next step", index, count, *plan.Pause.Duration)
		}
	case "StepReady":
		if index == count {
			p.to("Completed")
			break
		}
		canary.CurrentStepIndex, canary.NextStepIndex = index+1, p.next(index+1)
		p.to("BeforeStepUpgrade")
	}
	return nil
}

// The BatchRelease is told of the step; true when its pods are there.
func (p *pass) upgrade(ctx context.Context) (bool, error) {
	cursor := p.s.Canary.CurrentStepIndex - 1
	if p.br == nil {
		br := &batchRelease{
			TypeMeta: metav1.TypeMeta{APIVersion: "rollouts.kruise.io/v1beta1", Kind: "BatchRelease"},
			ObjectMeta: metav1.ObjectMeta{
				Name: p.r.Name, Namespace: p.r.Namespace,
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(p.r, rolloutResource.GroupVersion().WithKind("Rollout"))},
			},
		}
		br.Spec.WorkloadRef = p.r.Spec.WorkloadRef
		br.Spec.ReleasePlan.RollingStyle, br.Spec.ReleasePlan.BatchPartition = "Partition", &cursor
		for _, each := range p.r.Spec.Strategy.Canary.Steps {
			br.Spec.ReleasePlan.Batches = append(br.Spec.ReleasePlan.Batches, batch{*each.Replicas})
		}
		return false, p.c.createBatchRelease(ctx, br)
	}
	if at := p.br.Spec.ReleasePlan.BatchPartition; at == nil || *at != cursor {
		return false, p.c.patchBatchRelease(ctx, p.br, map[string]any{"spec": map[string]any{"releasePlan": map[string]any{"batchPartition": cursor}}})
	}
	s := p.br.Status
	return s.ObservedGeneration == p.br.Generation && s.Canary.BatchState == "Ready" && s.Canary.CurrentBatch >= cursor, nil
}

// One part of the end a call: the mark goes first, the strategy comes back later.
func (p *pass) finalise(ctx context.Context, policy string) (bool, error) {
	canary := p.s.Canary
	if p.w != nil && p.w.progressing {
		return false, p.c.patchDeployment(ctx, p.w.d, map[string]any{"metadata": map[string]any{"annotations": map[string]any{inProgressing: nil}}})
	}
	if canary == nil {
		return true, nil
	}
	switch canary.FinalisingStep {
	default:
		canary.FinalisingStep = "ResumeWorkload"
	case "ResumeWorkload":
		if p.br != nil && p.br.Spec.ReleasePlan.BatchPartition != nil {
			return false, p.c.patchBatchRelease(ctx, p.br, map[string]any{"spec": map[string]any{"releasePlan": map[string]any{"batchPartition": nil, "finalizingPolicy": policy}}})
		}
		if p.br == nil || p.br.Status.Phase == "Completed" {
			canary.FinalisingStep = "ReleaseWorkloadControl"
		}
	case "ReleaseWorkloadControl":
		if p.br != nil {
			return false, p.c.deleteBatchRelease(ctx, p.br)
		}
		canary.FinalisingStep = "END"
	case "END":
		return true, nil
	}
	return false, nil
}
