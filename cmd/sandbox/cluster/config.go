package cluster

import (
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

//go:embed files.tmpl
var fileTemplates string

// writeFiles renders every file of files.tmpl: each template's name is its path
// below the sandbox's directory.
func (n Node) writeFiles() error {
	set, err := n.templates(fileTemplates)
	if err != nil {
		return err
	}
	for _, t := range set.Templates() {
		if t.Name() == "" {
			continue
		}
		var content strings.Builder
		if err := t.Execute(&content, n); err != nil {
			return fmt.Errorf("rendering %s: %w", t.Name(), err)
		}
		if err := os.MkdirAll(n.Path(filepath.Dir(t.Name())), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(n.Path(t.Name()), []byte(strings.TrimLeft(content.String(), "\n")), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// templates knows, beside the node, path (below the sandbox's directory) and base64 (of
// the file at such a path).
func (n Node) templates(text string) (*template.Template, error) {
	funcs := template.FuncMap{"path": n.Path, "base64": func(path string) (string, error) {
		content, err := os.ReadFile(n.Path(path))
		return base64.StdEncoding.EncodeToString(content), err
	}}
	return template.New("").Funcs(funcs).Option("missingkey=error").Parse(text)
}

// writeKubeconfigs writes one kubeconfig for each client of the API server.
func (n Node) writeKubeconfigs() error {
	for _, user := range []string{"admin", "controller-manager", "scheduler", "kubelet", "proxy", "coredns", "add-ons"} {
		path := n.Path("kubeconfig", user)
		if user == "admin" {
			path = n.Kubeconfig()
		}
		if err := n.WriteKubeconfig(path, user); err != nil {
			return err
		}
	}
	return nil
}

// Kubeconfig is the file for the administrator.
func (n Node) Kubeconfig() string { return n.Path("kubeconfig.yaml") }

// WriteKubeconfig writes a kubeconfig that holds its certificates, so that it
// can be copied elsewhere.
func (n Node) WriteKubeconfig(path, user string) error {
	var errs []error
	read := func(file string) []byte {
		content, err := os.ReadFile(n.Path("pki", file))
		errs = append(errs, err)
		return content
	}
	name := "sandbox-" + n.Name
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: n.Server(), CertificateAuthorityData: read("ca.crt")}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: read(user + ".crt"), ClientKeyData: read(user + ".key")}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: user}
	config.CurrentContext = name
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("reading the certificates of %s: %w", user, err)
	}
	return clientcmd.WriteToFile(*config, path)
}
