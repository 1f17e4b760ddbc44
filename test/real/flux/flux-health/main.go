// flux-health says how Flux takes an object: InProgress, Current or Failed, by the expressions of a file such as
// config/gitops/flux/health.yaml.
//
//	kubectl get rollout web -o json | flux-health config/gitops/flux/health.yaml
//
// Exit 1, with the reason, where an expression cannot be evaluated or the file has none for the object's kind.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "flux-health:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: flux-health EXPRESSIONS <OBJECT")
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	var checks []kustomize.CustomHealthCheck
	if err := yaml.UnmarshalStrict(text, &checks); err != nil {
		return fmt.Errorf("%s: %w", os.Args[1], err)
	}
	object := &unstructured.Unstructured{}
	if err := json.NewDecoder(os.Stdin).Decode(object); err != nil {
		return fmt.Errorf("the object on stdin: %w", err)
	}
	for _, check := range checks {
		if check.APIVersion != object.GetAPIVersion() || check.Kind != object.GetKind() {
			continue
		}
		evaluator, err := cel.NewStatusEvaluator(&check.HealthCheckExpressions)
		if err != nil {
			return err
		}
		result, err := evaluator.Evaluate(context.Background(), object)
		if err != nil {
			return err
		}
		fmt.Println(result.Status)
		return nil
	}
	return fmt.Errorf("%s says nothing of %s %s", os.Args[1], object.GetAPIVersion(), object.GetKind())
}
