package sign

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"regexp"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

const pemBegin = "-----BEGIN "

var (
	// pemText is the label and the body of a key, however its lines are broken.
	pemText = regexp.MustCompile(`(?s)-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END ([A-Z0-9 ]+)-----`)
	// lineBreaks are those of a text that went through YAML, JSON or a shell.
	lineBreaks = strings.NewReplacer(`\r`, "", `\n`, "", " ", "", "\t", "", "\r", "", "\n", "")
)

// mendPEM gives a key the line breaks that it lost on the way through a secret: with \n
// written out, on one line, indented, in quotes, or in base64 as a whole
// (sigstore/cosign-installer#73, sigstore/cosign#1051, Checkmarx/ast-cli#1567). What it
// cannot mend it leaves as it is.
func mendPEM(content []byte) []byte {
	if block, _ := pem.Decode(content); block != nil {
		return content
	}
	if !bytes.Contains(content, []byte(pemBegin)) {
		inner, err := base64.StdEncoding.DecodeString(lineBreaks.Replace(string(content)))
		if err != nil || !bytes.Contains(inner, []byte(pemBegin)) {
			return content
		}
		return mendPEM(inner)
	}
	var mended []byte
	for _, found := range pemText.FindAllSubmatch(content, -1) {
		body, err := base64.StdEncoding.DecodeString(lineBreaks.Replace(string(found[2])))
		if err != nil || !bytes.Equal(found[1], found[3]) {
			return content
		}
		mended = append(mended, pem.EncodeToMemory(&pem.Block{Type: string(found[1]), Bytes: body})...)
	}
	if mended == nil {
		return content
	}
	return mended
}

// others are the texts of keys that sign something else than images, and of what has a key
// in it, by how they begin.
var others = []struct{ begin, is string }{
	{"-----BEGIN CERTIFICATE-----", "a certificate: give the key in it (`openssl x509 -pubkey -noout -in FILE`), or, where a workflow has signed with it, no key but --verify-identity and --verify-issuer"},
	{"-----BEGIN PGP ", "a key of GPG: give one of cosign (`cosign generate-key-pair`)"},
	{"-----BEGIN OPENSSH ", "a key of SSH: give one of cosign (`cosign generate-key-pair`)"},
	{"ssh-", "a key of SSH: give one of cosign (`cosign generate-key-pair`)"},
	{"ecdsa-sha2-", "a key of SSH: give one of cosign (`cosign generate-key-pair`)"},
	{"untrusted comment:", "a key of minisign or signify: give one of cosign (`cosign generate-key-pair`)"},
}

// ofAnotherProgram refuses a key that is none of cosign's, by what it is: the decoder calls
// it damaged, or an unknown type (sigstore/cosign#3836, #3885).
func ofAnotherProgram(kind, key string, content []byte) error {
	content = bytes.TrimSpace(text.Unmarked(content))
	for _, one := range others {
		if bytes.HasPrefix(content, []byte(one.begin)) {
			return record.BadInput("sign/key-file", "reading the %s key %s: it is %s", kind, key, one.is)
		}
	}
	return nil
}

// damagedKey is for a text that begins as a key, and is none.
func damagedKey(kind, key string) error {
	return record.BadInput("sign/key-file",
		"reading the %s key %s: it begins as a key, but its text was changed or cut off; store the file's text as it is, with its line breaks", kind, key)
}
