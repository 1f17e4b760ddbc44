package main

import (
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// Roles of components that we do not run are left out.
var componentRoles = []string{"system:node", "system:kube-", "system:kubelet-", "system:volume-", "system:persistent-volume-",
	"system:certificates", "system:cluster-trust-", "system:heapster"}

// readRoles reads upstream's recorded bootstrap policy.
func readRoles(kubernetes string) ([]any, error) {
	var out []any
	for _, name := range []string{"cluster-roles.yaml", "cluster-role-bindings.yaml"} {
		text, err := os.ReadFile(filepath.Join(kubernetes, "plugin/pkg/auth/authorizer/rbac/bootstrappolicy/testdata", name))
		if err != nil {
			return nil, err
		}
		var list struct{ Items []map[string]any }
		if err := yaml.Unmarshal(text, &list); err != nil {
			return nil, err
		}
		for _, item := range list.Items {
			metadata := item["metadata"].(map[string]any)
			delete(metadata, "creationTimestamp")
			if !isComponentRole(metadata["name"].(string)) {
				out = append(out, item)
			}
		}
	}
	return out, nil
}

func isComponentRole(name string) bool {
	for _, prefix := range componentRoles {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
