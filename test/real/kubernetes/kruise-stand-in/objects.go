package main

import (
	"context"
	"encoding/json"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var (
	rolloutResource = schema.GroupVersionResource{Group: "rollouts.kruise.io", Version: "v1beta1", Resource: "rollouts"}
	batchResource   = schema.GroupVersionResource{Group: "rollouts.kruise.io", Version: "v1beta1", Resource: "batchreleases"}
)

const (
	workloadType     = "rollouts.kruise.io/workload-type"
	inProgressing    = "rollouts.kruise.io/in-progressing"
	stableRevision   = "rollouts.kruise.io/stable-revision"
	advanced         = "rollouts.kruise.io/controlled-by-advanced-deployment-controller"
	strategyKey      = "rollouts.kruise.io/deployment-strategy"
	extraStatus      = "rollouts.kruise.io/deployment-extra-status"
	controlInfo      = "batchrelease.rollouts.kruise.io/control-info"
	rolloutFinalizer = "rollouts.kruise.io/rollout"
)

type workloadRef struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
}

type rollout struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Disabled    bool        `json:"disabled"`
		WorkloadRef workloadRef `json:"workloadRef"`
		Strategy    struct {
			Paused bool `json:"paused"`
			Canary struct {
				Steps []step `json:"steps"`
			} `json:"canary"`
		} `json:"strategy"`
	} `json:"spec"`
	Status status `json:"status"`
}

type step struct {
	Replicas *intstr.IntOrString `json:"replicas"`
	Pause    struct {
		Duration *int64 `json:"duration"`
	} `json:"pause"`
}

type status struct {
	ObservedGeneration int64       `json:"observedGeneration,omitempty"`
	Phase              string      `json:"phase,omitempty"`
	Message            string      `json:"message,omitempty"`
	Conditions         []condition `json:"conditions,omitempty"`
	CurrentStepIndex   int64       `json:"currentStepIndex"`
	CurrentStepState   string      `json:"currentStepState"`
	Canary             *canary     `json:"canaryStatus,omitempty"`
}

type condition struct {
	Type               string `json:"type"`
	Status             string `json:"status"`
	Reason             string `json:"reason"`
	Message            string `json:"message"`
	LastUpdateTime     string `json:"lastUpdateTime,omitempty"`
	LastTransitionTime string `json:"lastTransitionTime,omitempty"`
}

type canary struct {
	ObservedWorkloadGeneration int64  `json:"observedWorkloadGeneration,omitempty"`
	StableRevision             string `json:"stableRevision,omitempty"`
	CanaryRevision             string `json:"canaryRevision"`
	PodTemplateHash            string `json:"podTemplateHash"`
	CurrentStepIndex           int64  `json:"currentStepIndex"`
	NextStepIndex              int64  `json:"nextStepIndex"`
	CurrentStepState           string `json:"currentStepState"`
	FinalisingStep             string `json:"finalisingStep"`
	CanaryReplicas             int64  `json:"canaryReplicas"`
	CanaryReadyReplicas        int64  `json:"canaryReadyReplicas"`
	Message                    string `json:"message,omitempty"`
	LastUpdateTime             string `json:"lastUpdateTime,omitempty"`
}

type batchRelease struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              batchSpec   `json:"spec"`
	Status            batchStatus `json:"status"`
}

type batchSpec struct {
	WorkloadRef workloadRef `json:"workloadRef"`
	ReleasePlan struct {
		Batches          []batch `json:"batches"`
		BatchPartition   *int64  `json:"batchPartition,omitempty"`
		FinalizingPolicy string  `json:"finalizingPolicy,omitempty"`
		RollingStyle     string  `json:"rollingStyle,omitempty"`
	} `json:"releasePlan"`
}

type batch struct {
	CanaryReplicas intstr.IntOrString `json:"canaryReplicas"`
}

type batchStatus struct {
	Phase              string `json:"phase,omitempty"`
	Message            string `json:"message,omitempty"`
	ObservedGeneration int64  `json:"observedGeneration,omitempty"`
	Canary             struct {
		BatchState           string `json:"batchState,omitempty"`
		CurrentBatch         int64  `json:"currentBatch"`
		UpdatedReplicas      int64  `json:"updatedReplicas"`
		UpdatedReadyReplicas int64  `json:"updatedReadyReplicas"`
	} `json:"canaryStatus"`
}

// The annotation deployment-strategy.
type strategy struct {
	RollingStyle  string                          `json:"rollingStyle"`
	RollingUpdate *appsv1.RollingUpdateDeployment `json:"rollingUpdate,omitempty"`
	Paused        bool                            `json:"paused"`
	Partition     intstr.IntOrString              `json:"partition"`
}

func strategyOf(d *appsv1.Deployment) *strategy {
	var result strategy
	text := d.Annotations[strategyKey]
	if text == "" || json.Unmarshal([]byte(text), &result) != nil || result.RollingStyle != "Partition" {
		return nil
	}
	return &result
}

func text(value any) string {
	bytes, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(bytes)
}

func read[T any](object *unstructured.Unstructured) (*T, error) {
	var result T
	return &result, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &result)
}

func (c *controller) patchDeployment(ctx context.Context, d *appsv1.Deployment, patch map[string]any) error {
	_, err := c.typed.AppsV1().Deployments(d.Namespace).Patch(ctx, d.Name, types.MergePatchType, []byte(text(patch)), metav1.PatchOptions{})
	return err
}
