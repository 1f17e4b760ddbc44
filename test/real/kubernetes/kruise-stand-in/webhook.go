package main

import (
	"encoding/json"
	"log"
	"net/http"
	"slices"
	"strconv"
	"strings"

	admission "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

func answer(w http.ResponseWriter, uid types.UID, patch []operation, err error) {
	response := &admission.AdmissionResponse{UID: uid, Allowed: err == nil}
	if err != nil {
		response.Result = &metav1.Status{Code: http.StatusBadRequest, Message: err.Error()}
	} else if len(patch) > 0 {
		kind := admission.PatchTypeJSONPatch
		response.Patch, response.PatchType = []byte(text(patch)), &kind
	}
	review := admission.AdmissionReview{TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Response: response}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(review); err != nil {
		log.Print(err)
	}
}

func asked(w http.ResponseWriter, r *http.Request) *admission.AdmissionRequest {
	var review admission.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.Request == nil {
		http.Error(w, "no AdmissionReview", http.StatusBadRequest)
		return nil
	}
	return review.Request
}

func admitAll(w http.ResponseWriter, r *http.Request) {
	if request := asked(w, r); request != nil {
		answer(w, request.UID, nil, nil)
	}
}

func (c *controller) admitDeployment(w http.ResponseWriter, r *http.Request) {
	request := asked(w, r)
	if request == nil {
		return
	}
	var before, after appsv1.Deployment
	if err := json.Unmarshal(request.OldObject.Raw, &before); err != nil {
		answer(w, request.UID, nil, err)
		return
	}
	if err := json.Unmarshal(request.Object.Raw, &after); err != nil {
		answer(w, request.UID, nil, err)
		return
	}
	name, err := c.rolloutOf(r.Context(), &after)
	if err != nil || name == "" {
		answer(w, request.UID, nil, err)
		return
	}
	changed := !sameTemplate(&before.Spec.Template, &after.Spec.Template)
	was := after.DeepCopy()
	if after.Annotations[inProgressing] != "" {
		hold(&after, changed)
	} else if changed && (after.Spec.Replicas == nil || *after.Spec.Replicas != 0) {
		sets, err := c.replicaSets(r.Context(), &before)
		if err != nil {
			answer(w, request.UID, nil, err)
			return
		}
		if stable := stableSet(sets, &after); stable != nil {
			metav1.SetMetaDataLabel(&after.ObjectMeta, stableRevision, stable.Labels[appsv1.DefaultDeploymentUniqueLabelKey])
			metav1.SetMetaDataAnnotation(&after.ObjectMeta, inProgressing, text(map[string]string{"rolloutName": name}))
			after.Spec.Paused = true
			log.Printf("held back: a new template of %s/%s", after.Namespace, after.Name)
		}
	}
	answer(w, request.UID, difference(was, &after), nil)
}

// During a release: what would let pods through is turned back.
func hold(d *appsv1.Deployment, changed bool) {
	d.Spec.Paused = true
	s := strategyOf(d)
	if s == nil {
		return
	}
	if d.Spec.Strategy.RollingUpdate != nil {
		s.RollingUpdate = d.Spec.Strategy.RollingUpdate
	}
	d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	s.Paused = s.Paused || changed
	d.Annotations[strategyKey] = text(s)
}

func difference(before, after *appsv1.Deployment) []operation {
	var patch []operation
	if !equality.Semantic.DeepEqual(before.Labels, after.Labels) {
		patch = append(patch, operation{"add", "/metadata/labels", after.Labels})
	}
	if !equality.Semantic.DeepEqual(before.Annotations, after.Annotations) {
		patch = append(patch, operation{"add", "/metadata/annotations", after.Annotations})
	}
	if before.Spec.Paused != after.Spec.Paused {
		patch = append(patch, operation{"add", "/spec/paused", after.Spec.Paused})
	}
	if !equality.Semantic.DeepEqual(before.Spec.Strategy, after.Spec.Strategy) {
		patch = append(patch, operation{"add", "/spec/strategy", after.Spec.Strategy})
	}
	return patch
}

func sameTemplate(a, b *corev1.PodTemplateSpec) bool {
	left, right := a.DeepCopy(), b.DeepCopy()
	delete(left.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	delete(right.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return equality.Semantic.DeepEqual(left, right)
}

func size(set *appsv1.ReplicaSet) int64 {
	if set == nil || set.Spec.Replicas == nil {
		return 0
	}
	return int64(*set.Spec.Replicas)
}

// The first that has pods of another template, by revision and age.
func stableSet(sets []*appsv1.ReplicaSet, d *appsv1.Deployment) *appsv1.ReplicaSet {
	sorted := slices.Clone(sets)
	slices.SortFunc(sorted, func(a, b *appsv1.ReplicaSet) int {
		if by := revision(a) - revision(b); by != 0 {
			return by
		}
		if by := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); by != 0 {
			return by
		}
		return strings.Compare(a.Name, b.Name)
	})
	for _, set := range sorted {
		if size(set) > 0 && !sameTemplate(&set.Spec.Template, &d.Spec.Template) {
			return set
		}
	}
	return nil
}

func revision(set *appsv1.ReplicaSet) int {
	number, _ := strconv.Atoi(set.Annotations["deployment.kubernetes.io/revision"])
	return number
}
