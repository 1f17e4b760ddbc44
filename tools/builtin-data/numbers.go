package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// The numbers of a type's fields in protobuf. Under "" stand messages that JSON has inline: number → their fields.
type numbers map[string]any

type protoField struct {
	typeName string
	number   int
}

var (
	protoPackage = regexp.MustCompile(`(?m)^package ([\w.]+);`)
	protoMessage = regexp.MustCompile(`(?s)\nmessage (\w+) \{\n(.*?)\n\}`)
	protoLine    = regexp.MustCompile(`(?m)^  (?:optional |repeated |required )?(map<string, *[\w.]+>|[\w.]+) (\w+) = (\d+);`)
)

// readNumbers reads the field numbers of the given types from the generated.proto files of upstream's modules.
func readNumbers(library string, types map[string]any) (map[string]numbers, error) {
	messages := map[string]map[string]protoField{}
	for _, module := range []string{"k8s.io/api", "k8s.io/apimachinery", "k8s.io/apiextensions-apiserver", "k8s.io/kube-aggregator"} {
		folder, err := moduleFolder(module, library)
		if err != nil {
			return nil, err
		}
		err = filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.Name() != "generated.proto" {
				return err
			}
			text, err := os.ReadFile(path)
			if err == nil {
				addMessages(messages, string(text))
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	out := map[string]numbers{}
	for _, name := range sortedKeys(types) {
		properties, _ := types[name].(map[string]any)["properties"].(map[string]any)
		fields := messages[name]
		if properties == nil || fields == nil {
			continue
		}
		out[name] = numbersOf(messages, fields, properties)
	}
	return out, nil
}

// addMessages takes the messages of one file under the names that OpenAPI gives their types.
func addMessages(messages map[string]map[string]protoField, text string) {
	match := protoPackage.FindStringSubmatch(text)
	if match == nil {
		return
	}
	name := match[1]
	for _, message := range protoMessage.FindAllStringSubmatch(text, -1) {
		fields := map[string]protoField{}
		for _, line := range protoLine.FindAllStringSubmatch(message[2], -1) {
			number, _ := strconv.Atoi(line[3])
			typeName := strings.TrimPrefix(line[1], ".")
			if !strings.Contains(typeName, ".") {
				typeName = name + "." + typeName
			}
			fields[line[2]] = protoField{openAPIName(typeName), number}
		}
		messages[openAPIName(name+"."+message[1])] = fields
	}
}

func openAPIName(proto string) string {
	if rest, ok := strings.CutPrefix(proto, "k8s.io."); ok {
		return "io.k8s." + strings.ReplaceAll(rest, "apiextensions_apiserver", "apiextensions-apiserver")
	}
	return proto
}

func numbersOf(messages map[string]map[string]protoField, fields map[string]protoField, properties map[string]any) numbers {
	out := numbers{}
	inline := map[string]any{}
	named := map[string]string{} // protobuf's letter case differs from JSON's at times
	for property := range properties {
		named[strings.ToLower(property)] = property
	}
	for _, name := range sortedKeys(fields) {
		field := fields[name]
		if property, known := named[strings.ToLower(name)]; known {
			out[property] = field.number
		} else if inner := messages[field.typeName]; inner != nil {
			inline[strconv.Itoa(field.number)] = numbersOf(messages, inner, properties)
		}
	}
	if len(inline) > 0 {
		out[""] = inline
	}
	return out
}
