package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
)

const (
	schemaPrefix = "#/components/schemas/"
	metaPrefix   = "io.k8s.apimachinery.pkg.apis.meta.v1."
	kindKey      = "x-kubernetes-group-version-kind"
)

// Types that no resource refers to, yet requests and answers do.
var alwaysServed = []string{
	metaPrefix + "APIGroup", metaPrefix + "APIGroupList", metaPrefix + "APIResourceList", metaPrefix + "APIVersions",
	metaPrefix + "DeleteOptions", metaPrefix + "Patch", metaPrefix + "Status", metaPrefix + "WatchEvent",
	"io.k8s.api.autoscaling.v1.Scale", "io.k8s.api.core.v1.Binding", "io.k8s.api.policy.v1.Eviction",
}

var cachedTypes map[string]any

// allTypes reads the schemas of every group and version recorded upstream.
func allTypes(kubernetes string) (map[string]any, error) {
	if cachedTypes != nil {
		return cachedTypes, nil
	}
	files, err := filepath.Glob(filepath.Join(kubernetes, "api/openapi-spec/v3/*_openapi.json"))
	if err != nil {
		return nil, err
	}
	cachedTypes = map[string]any{}
	for _, file := range files {
		var document struct {
			Components struct{ Schemas map[string]any }
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &document); err != nil {
			return nil, err
		}
		for name, schema := range document.Components.Schemas {
			cachedTypes[name] = facts(schema)
		}
	}
	// These two list every group of the server; we say it from what is served.
	for _, name := range []string{"DeleteOptions", "WatchEvent"} {
		delete(cachedTypes[metaPrefix+name].(map[string]any), kindKey)
	}
	return cachedTypes, nil
}

// facts drops prose: descriptions are texts; a property named description is an object.
func facts(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, member := range v {
			if _, isText := member.(string); key == "description" && isText {
				continue
			}
			out[key] = facts(member)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, element := range v {
			out[i] = facts(element)
		}
		return out
	}
	return value
}

// kindsToTypes maps group/version/Kind to the name of its schema.
func kindsToTypes(kubernetes string) (map[string]string, error) {
	types, err := allTypes(kubernetes)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, name := range sortedKeys(types) {
		kinds, _ := types[name].(map[string]any)[kindKey].([]any)
		for _, entry := range kinds {
			kind := entry.(map[string]any)
			out[kind["group"].(string)+"/"+kind["version"].(string)+"/"+kind["kind"].(string)] = name
		}
	}
	return out, nil
}

// readTypes keeps the schemas reachable from the served resources.
func readTypes(kubernetes string, resources []*resource) (map[string]any, error) {
	types, err := allTypes(kubernetes)
	if err != nil {
		return nil, err
	}
	kept := map[string]any{}
	var keep func(name string)
	var visit func(value any)
	visit = func(value any) {
		switch v := value.(type) {
		case map[string]any:
			for key, member := range v {
				if text, ok := member.(string); ok && key == "$ref" {
					keep(strings.TrimPrefix(text, schemaPrefix))
				}
				visit(member)
			}
		case []any:
			for _, element := range v {
				visit(element)
			}
		}
	}
	keep = func(name string) {
		if schema, ok := types[name]; ok && kept[name] == nil {
			kept[name] = schema
			visit(schema)
		}
	}
	for _, r := range resources {
		keep(r.Type)
		keep(r.Type + "List")
	}
	for _, name := range alwaysServed {
		keep(name)
	}
	return kept, nil
}
