package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

type column struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Format   string `json:"format,omitempty"`
	Priority int    `json:"priority,omitempty"`
}

type subresource struct {
	Name    string   `json:"name"`
	Group   string   `json:"group,omitempty"`
	Version string   `json:"version,omitempty"`
	Kind    string   `json:"kind"`
	Verbs   []string `json:"verbs"`
}

type resource struct {
	Group        string        `json:"group"`
	Version      string        `json:"version"`
	Name         string        `json:"name"`
	Kind         string        `json:"kind"`
	Singular     string        `json:"singular"`
	Namespaced   bool          `json:"namespaced"`
	Verbs        []string      `json:"verbs"`
	ShortNames   []string      `json:"shortNames,omitempty"`
	Categories   []string      `json:"categories,omitempty"`
	Subresources []subresource `json:"subresources,omitempty"`
	Type         string        `json:"type"`
	Columns      []column      `json:"columns,omitempty"`
}

// What is served: resources by group and version, in the order of discovery.
var served = []struct {
	group, version string
	names          []string // empty: all
}{
	{"", "v1", []string{"configmaps", "endpoints", "events", "limitranges", "namespaces", "nodes", "persistentvolumeclaims",
		"persistentvolumes", "pods", "podtemplates", "replicationcontrollers", "resourcequotas", "secrets", "serviceaccounts", "services"}},
	{"apiregistration.k8s.io", "v1", nil},
	{"apps", "v1", nil},
	{"events.k8s.io", "v1", nil},
	{"authentication.k8s.io", "v1", nil},
	{"authorization.k8s.io", "v1", nil},
	{"autoscaling", "v2", nil},
	{"autoscaling", "v1", nil},
	{"batch", "v1", nil},
	{"networking.k8s.io", "v1", []string{"ingresses", "ingressclasses", "networkpolicies"}},
	{"policy", "v1", nil},
	{"rbac.authorization.k8s.io", "v1", nil},
	{"storage.k8s.io", "v1", []string{"storageclasses"}},
	{"admissionregistration.k8s.io", "v1", []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations"}},
	{"apiextensions.k8s.io", "v1", nil},
	{"scheduling.k8s.io", "v1", []string{"priorityclasses"}},
	{"coordination.k8s.io", "v1", nil},
	{"discovery.k8s.io", "v1", nil},
}

var servedSubresources = map[string]bool{"status": true, "scale": true, "pods/binding": true, "pods/eviction": true}

// readResources reads upstream's recorded aggregated discovery.
func readResources(kubernetes string) ([]*resource, error) {
	type kindRef struct{ Group, Version, Kind string }
	var document struct {
		Items []struct {
			Metadata struct{ Name string }
			Versions []struct {
				Version   string
				Resources []struct {
					Resource, SingularResource, Scope string
					ResponseKind                      kindRef
					Verbs, ShortNames, Categories     []string
					Subresources                      []struct {
						Subresource  string
						ResponseKind kindRef
						Verbs        []string
					}
				}
			}
		}
	}
	for _, name := range []string{"aggregated_v2.json"} {
		text, err := os.ReadFile(filepath.Join(kubernetes, "api/discovery", name))
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &document); err != nil {
			return nil, err
		}
	}
	core, err := readCore(kubernetes)
	if err != nil {
		return nil, err
	}
	columns, err := readColumns(kubernetes)
	if err != nil {
		return nil, err
	}
	types, err := kindsToTypes(kubernetes)
	if err != nil {
		return nil, err
	}
	var out []*resource
	for _, want := range served {
		var found []*resource
		if want.group == "" {
			found = core
		}
		for _, group := range document.Items {
			for _, version := range group.Versions {
				if group.Metadata.Name != want.group || version.Version != want.version || want.group == "" {
					continue
				}
				for _, r := range version.Resources {
					made := &resource{Name: r.Resource, Kind: r.ResponseKind.Kind, Singular: r.SingularResource,
						Namespaced: r.Scope == "Namespaced", Verbs: r.Verbs, ShortNames: r.ShortNames, Categories: r.Categories}
					for _, s := range r.Subresources {
						made.Subresources = append(made.Subresources,
							subresource{s.Subresource, s.ResponseKind.Group, s.ResponseKind.Version, s.ResponseKind.Kind, s.Verbs})
					}
					found = append(found, made)
				}
			}
		}
		for _, r := range found {
			if len(want.names) > 0 && !contains(want.names, r.Name) {
				continue
			}
			r.Group, r.Version = want.group, want.version
			r.Type = types[want.group+"/"+want.version+"/"+r.Kind]
			if r.Type == "" {
				return nil, fmt.Errorf("no schema for %s/%s %s", want.group, want.version, r.Kind)
			}
			r.Columns = columns[r.Group+"/"+r.Kind]
			r.Subresources = keepServed(r)
			out = append(out, r)
		}
	}
	return out, nil
}

// readCore reads the core group, which stands in a file of its own in the older form.
func readCore(kubernetes string) ([]*resource, error) {
	var list struct {
		Resources []struct {
			Name, SingularName, Kind, Group, Version string
			Namespaced                               bool
			Verbs, ShortNames, Categories            []string
		}
	}
	text, err := os.ReadFile(filepath.Join(kubernetes, "api/discovery/api__v1.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	byName := map[string]*resource{}
	var out []*resource
	for _, r := range list.Resources {
		name, sub, isSub := strings.Cut(r.Name, "/")
		if !isSub {
			made := &resource{Name: name, Kind: r.Kind, Singular: r.SingularName, Namespaced: r.Namespaced, Verbs: r.Verbs,
				ShortNames: r.ShortNames, Categories: r.Categories}
			byName[name] = made
			out = append(out, made)
		} else if parent := byName[name]; parent != nil {
			parent.Subresources = append(parent.Subresources, subresource{sub, r.Group, r.Version, r.Kind, r.Verbs})
		}
	}
	return out, nil
}

func keepServed(r *resource) []subresource {
	var out []subresource
	for _, s := range r.Subresources {
		if servedSubresources[s.Name] || servedSubresources[r.Name+"/"+s.Name] {
			out = append(out, s)
		}
	}
	return out
}

var groupName = regexp.MustCompile(`GroupName\s*=\s*"([^"]*)"`)

// readColumns finds the column lists in upstream's table printers and the kinds they are registered for.
func readColumns(kubernetes string) (map[string][]column, error) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(kubernetes, "pkg/printers/internalversion/printers.go"), nil, 0)
	if err != nil {
		return nil, err
	}
	groups := map[string]string{} // import alias → API group
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		folder, ok := strings.CutPrefix(path, "k8s.io/kubernetes/")
		if !ok || !strings.HasPrefix(folder, "pkg/apis/") {
			continue
		}
		alias := filepath.Base(path)
		if spec.Name != nil {
			alias = spec.Name.Name
		}
		text, err := os.ReadFile(filepath.Join(kubernetes, folder, "register.go"))
		if err != nil {
			continue
		}
		if match := groupName.FindSubmatch(text); match != nil {
			groups[alias] = string(match[1])
		}
	}
	kinds := map[string]string{} // print function → group/kind
	for _, decl := range file.Decls {
		function, ok := decl.(*ast.FuncDecl)
		if !ok || len(function.Type.Params.List) == 0 {
			continue
		}
		star, ok := function.Type.Params.List[0].Type.(*ast.StarExpr)
		if !ok {
			continue
		}
		if selector, ok := star.X.(*ast.SelectorExpr); ok {
			if group, ok := groups[selector.X.(*ast.Ident).Name]; ok {
				kinds[function.Name.Name] = group + "/" + selector.Sel.Name
			}
		}
	}
	lists := map[string][]column{}
	out := map[string][]column{}
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.AssignStmt:
			name, isName := n.Lhs[0].(*ast.Ident)
			literal, isLiteral := n.Rhs[0].(*ast.CompositeLit)
			if isName && isLiteral && strings.Contains(name.Name, "ColumnDefin") {
				lists[name.Name] = columnsOf(literal)
			}
		case *ast.CallExpr:
			selector, ok := n.Fun.(*ast.SelectorExpr)
			if ok && selector.Sel.Name == "TableHandler" && len(n.Args) == 2 {
				list, isList := n.Args[0].(*ast.Ident)
				printer, isPrinter := n.Args[1].(*ast.Ident)
				if isList && isPrinter && kinds[printer.Name] != "" {
					out[kinds[printer.Name]] = lists[list.Name]
				}
			}
		}
		return true
	})
	return out, nil
}

func columnsOf(literal *ast.CompositeLit) []column {
	var out []column
	for _, element := range literal.Elts {
		var made column
		for _, field := range element.(*ast.CompositeLit).Elts {
			pair := field.(*ast.KeyValueExpr)
			value, ok := pair.Value.(*ast.BasicLit)
			if !ok {
				continue // descriptions taken from elsewhere
			}
			switch pair.Key.(*ast.Ident).Name {
			case "Name":
				made.Name, _ = strconv.Unquote(value.Value)
			case "Type":
				made.Type, _ = strconv.Unquote(value.Value)
			case "Format":
				made.Format, _ = strconv.Unquote(value.Value)
			case "Priority":
				made.Priority, _ = strconv.Atoi(value.Value)
			}
		}
		out = append(out, made)
	}
	return out
}

func contains(list []string, value string) bool {
	for _, item := range list {
		if item == value {
			return true
		}
	}
	return false
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
