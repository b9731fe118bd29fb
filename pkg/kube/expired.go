package kube

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// renew is what to do about credentials that are over.
const renew = "make a new kubeconfig; in GitHub Actions store it as the secret KUBECONFIG, or log in within the job"

// checkCredentials says of the credentials of the context what can be known without a
// request: that they are over by their date, or that nothing here can get them. Of what
// cannot be read nothing is said: client-go does, in its words.
func checkCredentials(config *api.Config, name string, now time.Time) error {
	used := config.Contexts[name]
	if used == nil {
		return nil
	}
	var problems []error
	if user := config.AuthInfos[used.AuthInfo]; user != nil {
		whose := fmt.Sprintf("of user %q in the kubeconfig", used.AuthInfo)
		if end := firstEnd(content(user.ClientCertificateData, user.ClientCertificate)); over(end, now) {
			problems = append(problems, expired("the client certificate "+whose, end))
		}
		if end := tokenEnd(string(content([]byte(user.Token), user.TokenFile))); over(end, now) {
			problems = append(problems, expired("the token "+whose, end))
		}
		problems = append(problems, checkProgram(user.Exec, whose))
	}
	if cluster := config.Clusters[used.Cluster]; cluster != nil && !cluster.InsecureSkipTLSVerify {
		if end := lastEnd(content(cluster.CertificateAuthorityData, cluster.CertificateAuthority)); over(end, now) {
			problems = append(problems, expired(fmt.Sprintf("the certificate authority of cluster %q in the kubeconfig", used.Cluster), end))
		}
	}
	return record.Problems(problems...)
}

func over(end, now time.Time) bool { return !end.IsZero() && end.Before(now) }

func expired(what string, end time.Time) error {
	return record.BadInput("kube/expired", "%s expired at %s: %s", what, end.UTC().Format(time.RFC3339), renew)
}

// checkProgram looks for the program that gets the credentials.
func checkProgram(program *api.ExecConfig, whose string) error {
	if program == nil {
		return nil
	}
	_, err := exec.LookPath(program.Command)
	if !errors.Is(err, exec.ErrNotFound) && !errors.Is(err, os.ErrNotExist) {
		return nil
	}
	hint := ""
	if text := strings.TrimSpace(program.InstallHint); text != "" {
		hint = " (" + text + ")"
	}
	return record.BadInput("kube/kubeconfig", "the credentials %s come from the program %q, which is not on this machine: install it in an earlier step of this job%s, "+
		"or give a kubeconfig with a token or a certificate", whose, program.Command, hint)
}

// content is what stands in the kubeconfig, or else in the file that it names.
func content(data []byte, file string) []byte {
	if len(data) > 0 || file == "" {
		return data
	}
	text, _ := files.ReadRegular(file, maxKubeconfig)
	return text
}

// ends are the dates up to which the certificates of a PEM text hold.
func ends(text []byte) []time.Time {
	var all []time.Time
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if certificate, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			all = append(all, certificate.NotAfter)
		}
	}
	return all
}

// firstEnd is that of the first certificate, which is the client's own.
func firstEnd(text []byte) time.Time {
	for _, end := range ends(text) {
		return end
	}
	return time.Time{}
}

// lastEnd is the latest one: any of several authorities will do.
func lastEnd(text []byte) (last time.Time) {
	for _, end := range ends(text) {
		if end.After(last) {
			last = end
		}
	}
	return last
}

// tokenEnd is when a JSON Web Token ends; the zero time of any other.
func tokenEnd(token string) time.Time {
	parts := strings.Split(strings.TrimSpace(token), ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		End float64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.End <= 0 {
		return time.Time{}
	}
	return time.Unix(int64(claims.End), 0)
}

// isEncoded reports whether the file is a kubeconfig as base64, as secrets often hold it.
func isEncoded(path string) bool {
	text, err := files.ReadRegular(path, maxKubeconfig)
	return err == nil && holdsKubeconfig(string(text))
}

// holdsKubeconfig reports whether a text is one as base64.
func holdsKubeconfig(text string) bool {
	plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	return err == nil && bytes.Contains(plain, []byte("clusters"))
}

// isText reports whether the paths in KUBECONFIG are the text of a file, taken apart at its
// colons: as `env: KUBECONFIG: ${{ secrets.KUBECONFIG }}` gives it. client-go would say all
// of it, as names of files that cannot be opened.
func isText(paths []string) bool {
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return false
		}
	}
	all := strings.Join(paths, ":")
	return strings.ContainsAny(all, "\r\n{") || holdsKubeconfig(all)
}
