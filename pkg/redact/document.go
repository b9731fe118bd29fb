package redact

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// Copy gives a copy of a value in which no text holds a secret: fields, elements,
// and the keys of mappings. Texts that have a type of their own, such as a verdict,
// are not foreign and stay.
func Copy[T any](r *Redactor, value T) T {
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	out.Set(reflect.ValueOf(&value).Elem())
	return r.copy(out).Interface().(T) // it is a copy
}

var plainText = reflect.TypeFor[string]()

func (r *Redactor) copy(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.String:
		if v.Type() == plainText {
			out.SetString(r.Text(v.String()))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(r.copy(v.Elem()))
		}
	case reflect.Interface:
		if !v.IsNil() {
			out.Set(r.copy(v.Elem()))
		}
	case reflect.Slice:
		if !v.IsNil() {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			for i := range v.Len() {
				out.Index(i).Set(r.copy(v.Index(i)))
			}
		}
	case reflect.Map:
		if !v.IsNil() {
			out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
			for each := v.MapRange(); each.Next(); {
				out.SetMapIndex(r.copy(each.Key()), r.copy(each.Value()))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(r.copy(v.Field(i)))
			}
		}
	default:
	}
	return out
}

// JSON gives a JSON document whose texts hold no secret. The rest of it, also its
// layout, stays as it is.
func (r *Redactor) JSON(document []byte) []byte {
	var out bytes.Buffer
	for len(document) > 0 {
		start := bytes.IndexByte(document, '"')
		if start < 0 {
			break
		}
		end := start + 1
		for end < len(document) && document[end] != '"' {
			if document[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end+1, len(document))
		out.Write(document[:start])
		out.Write(r.literal(document[start:end]))
		document = document[end:]
	}
	out.Write(document)
	return out.Bytes()
}

func (r *Redactor) literal(quoted []byte) []byte {
	var text string
	if json.Unmarshal(quoted, &text) != nil {
		return quoted
	}
	hidden := r.Text(text)
	if hidden == text {
		return quoted
	}
	again, err := json.Marshal(hidden)
	if err != nil {
		return quoted
	}
	return again
}
