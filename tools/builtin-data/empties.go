package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// One Go package of API types: its structs and what its other names stand for.
type goPackage struct {
	types   map[string]ast.Expr
	imports map[string]string // alias → import path; merged over the files
}

type goTypes struct {
	folders  map[string]string // module path → folder
	packages map[string]*goPackage
}

// readEmpties lists, for each type, the fields that are not written when they hold nothing: no pointer stands behind them, so
// false, 0, "", [] and {} are not told from absence.
func readEmpties(library string, types map[string]any) (map[string][]string, error) {
	reader := &goTypes{folders: map[string]string{}, packages: map[string]*goPackage{}}
	for _, module := range []string{"k8s.io/api", "k8s.io/apimachinery", "k8s.io/apiextensions-apiserver", "k8s.io/kube-aggregator"} {
		folder, err := moduleFolder(module, library)
		if err != nil {
			return nil, err
		}
		reader.folders[module] = folder
	}
	out := map[string][]string{}
	for _, name := range sortedKeys(types) {
		path, typeName := importPath(name)
		if path == "" {
			continue
		}
		fields := map[string]bool{}
		reader.collect(path, typeName, fields)
		if len(fields) > 0 {
			out[name] = sortedKeys(fields)
		}
	}
	return out, nil
}

// importPath turns io.k8s.api.core.v1.Pod into k8s.io/api/core/v1 and Pod.
func importPath(name string) (string, string) {
	rest, ok := strings.CutPrefix(name, "io.k8s.")
	if !ok {
		return "", ""
	}
	dot := strings.LastIndex(rest, ".")
	return "k8s.io/" + strings.ReplaceAll(rest[:dot], ".", "/"), rest[dot+1:]
}

func (r *goTypes) load(path string) *goPackage {
	if loaded, ok := r.packages[path]; ok {
		return loaded
	}
	made := &goPackage{types: map[string]ast.Expr{}, imports: map[string]string{}}
	r.packages[path] = made
	for module, folder := range r.folders {
		rest, ok := strings.CutPrefix(path, module)
		if !ok || (rest != "" && rest[0] != '/') {
			continue
		}
		entries, _ := os.ReadDir(filepath.Join(folder, rest))
		for _, entry := range entries {
			if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") || strings.HasPrefix(entry.Name(), "zz_") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, rest, entry.Name()), nil, 0)
			if err == nil {
				made.add(file)
			}
		}
	}
	return made
}

func (p *goPackage) add(file *ast.File) {
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		alias := filepath.Base(path)
		if spec.Name != nil {
			alias = spec.Name.Name
		}
		p.imports[alias] = path
	}
	for _, decl := range file.Decls {
		general, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			if typeSpec, ok := spec.(*ast.TypeSpec); ok {
				p.types[typeSpec.Name.Name] = typeSpec.Type
			}
		}
	}
}

func (r *goTypes) collect(path, name string, fields map[string]bool) {
	loaded := r.load(path)
	structure, ok := loaded.types[name].(*ast.StructType)
	if !ok {
		return
	}
	for _, field := range structure.Fields.List {
		if field.Tag == nil {
			continue
		}
		text, _ := strconv.Unquote(field.Tag.Value)
		tag := strings.Split(reflect.StructTag(text).Get("json"), ",")
		if len(field.Names) == 0 && tag[0] == "" {
			if embeddedPath, embedded := r.resolve(path, field.Type); embedded != "" {
				r.collect(embeddedPath, embedded, fields)
			}
			continue
		}
		if tag[0] == "" || tag[0] == "-" || !contains(tag[1:], "omitempty") {
			continue
		}
		if r.emptyVanishes(path, field.Type) {
			fields[tag[0]] = true
		}
	}
}

// resolve names the package and type of an embedded or referred type.
func (r *goTypes) resolve(path string, expression ast.Expr) (string, string) {
	switch e := expression.(type) {
	case *ast.Ident:
		return path, e.Name
	case *ast.SelectorExpr:
		return r.load(path).imports[e.X.(*ast.Ident).Name], e.Sel.Name
	}
	return "", ""
}

func (r *goTypes) emptyVanishes(path string, expression ast.Expr) bool {
	switch e := expression.(type) {
	case *ast.ArrayType, *ast.MapType:
		return true
	case *ast.Ident:
		switch e.Name {
		case "bool", "string", "int", "int32", "int64", "float64", "byte", "uint8", "int8", "int16", "uint32", "uint64":
			return true
		}
		if named, ok := r.load(path).types[e.Name]; ok {
			return r.emptyVanishes(path, named)
		}
	case *ast.SelectorExpr:
		other, name := r.resolve(path, e)
		if named, ok := r.load(other).types[name]; ok {
			return r.emptyVanishes(other, named)
		}
	}
	return false
}
