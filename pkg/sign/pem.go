package sign

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"regexp"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
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
func mendPEM(text []byte) []byte {
	if block, _ := pem.Decode(text); block != nil {
		return text
	}
	if !bytes.Contains(text, []byte(pemBegin)) {
		inner, err := base64.StdEncoding.DecodeString(lineBreaks.Replace(string(text)))
		if err != nil || !bytes.Contains(inner, []byte(pemBegin)) {
			return text
		}
		return mendPEM(inner)
	}
	var mended []byte
	for _, found := range pemText.FindAllSubmatch(text, -1) {
		body, err := base64.StdEncoding.DecodeString(lineBreaks.Replace(string(found[2])))
		if err != nil || !bytes.Equal(found[1], found[3]) {
			return text
		}
		mended = append(mended, pem.EncodeToMemory(&pem.Block{Type: string(found[1]), Bytes: body})...)
	}
	if mended == nil {
		return text
	}
	return mended
}

// damagedKey is for a text that begins as a key, and is none.
func damagedKey(kind, key string) error {
	return record.BadInput("sign/key-file",
		"reading the %s key %s: it begins as a key, but its text was changed or cut off; store the file's text as it is, with its line breaks", kind, key)
}
