package transport

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChanges_RequestsEndWithTheChangeTheyBelongTo(t *testing.T) {
	var reached []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		reached = append(reached, request.Method+" "+request.URL.Path)
	}))
	defer server.Close()
	d := New(false)
	client := &http.Client{Transport: d.wrap(http.DefaultTransport)}
	send := func(method, path string) error {
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
		require.NoError(t, err)
		response, err := client.Do(request)
		if err == nil {
			require.NoError(t, response.Body.Close())
		}
		return err
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	d.During(ctx)
	require.NoError(t, send(http.MethodPatch, "/a"))
	ended := errors.New("ended")
	cancel(ended)
	require.ErrorIs(t, send(http.MethodPatch, "/b"), ended)
	require.NoError(t, send(http.MethodPut, "/secrets/sh.helm.release.v1.web.v2"), "Helm can still note the failure")
	require.ErrorIs(t, send(http.MethodPost, "/secrets/sh.helm.release.v1.web.v2"), ended)
	d.Free()
	require.NoError(t, send(http.MethodPatch, "/c"))
	require.Equal(t, []string{"PATCH /a", "PUT /secrets/sh.helm.release.v1.web.v2", "PATCH /c"}, reached)
}

func TestChanges_WhenDryLetNoWriteThrough(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) { got = request.URL.String() }))
	defer server.Close()
	client := &http.Client{Transport: New(true).wrap(http.DefaultTransport)}
	for method, want := range map[string]string{
		http.MethodGet: "/x?a=b", http.MethodPost: "/x?a=b&dryRun=All", http.MethodPut: "/x?a=b&dryRun=All",
		http.MethodPatch: "/x?a=b&dryRun=All", http.MethodDelete: "",
	} {
		got = ""
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/x?a=b", nil)
		require.NoError(t, err)
		response, err := client.Do(request)
		require.Equal(t, want == "", err != nil, method)
		if err == nil {
			require.NoError(t, response.Body.Close())
		}
		require.Equal(t, want, got)
	}
}
