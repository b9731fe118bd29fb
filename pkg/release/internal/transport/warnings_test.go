package transport

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// helm/helm#13053: a field with a typing error is dropped, and only a warning says so.
func TestChanges_WhatTheAPIServerRemarksInADryRunIsKept(t *testing.T) {
	const object = `{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web"}}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		w.Header().Add("Warning", `299 - "unknown field \"spec.replica\""`)
		w.Header().Add("Warning", "no warning at all")
		if request.URL.Path == "/refused" {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
		_, _ = io.WriteString(w, object)
	}))
	defer server.Close()
	send := func(d *Changes, method, path string) {
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader("{}"))
		require.NoError(t, err)
		response, err := (&http.Client{Transport: d.wrap(http.DefaultTransport)}).Do(request)
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, object, string(text), "Helm reads it, too")
	}
	dry, live := New(true), New(false)
	send(dry, http.MethodGet, "/x")
	send(dry, http.MethodPost, "/refused")
	send(live, http.MethodPost, "/x")
	require.Empty(t, dry.Warnings())
	require.Empty(t, live.Warnings())
	send(dry, http.MethodPost, "/x")
	send(dry, http.MethodPatch, "/x/web")
	require.Equal(t, []Warning{{"Deployment/web", `unknown field "spec.replica"`}}, dry.Warnings())
}
