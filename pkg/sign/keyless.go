package sign

import (
	"context"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// keyless trusts one identity of one issuer. The certificate, its transparency
// promise and the log entry that dates the signature are all checked offline
// against the trusted root.
func keyless(ctx context.Context, o VerifyOptions) (*trust, error) {
	material, err := trustedRoot(ctx, o.TrustedRoot)
	if err != nil {
		return nil, err
	}
	check := &cosign.CheckOpts{
		TrustedMaterial: material,
		Identities:      []cosign.Identity{{Subject: o.Identity, Issuer: o.Issuer}},
		ClaimVerifier:   cosign.SimpleClaimVerifier,
		Offline:         true,
	}
	return &trust{identity: o.Identity, check: check, refuse: func(image pipeline.Image, _ []oci.Signature, err error) error {
		return pipeline.Refused("sign/identity-mismatch",
			"verifying %q: no signature of identity %q by issuer %q: %w", image, o.Identity, o.Issuer, bounded{err})
	}}, nil
}

func trustedRoot(ctx context.Context, file string) (root.TrustedMaterial, error) {
	if file == "" {
		return publicTrustedRoot(ctx)
	}
	text, err := readFile(file, maxTrustedRootSize)
	if err != nil {
		return nil, pipeline.BadInput("sign/trusted-root", "reading the trusted root: %w", err)
	}
	material, err := root.NewTrustedRootFromJSON(text)
	if err != nil {
		return nil, pipeline.BadInput("sign/trusted-root", "reading the trusted root %q: %w", file, bounded{err})
	}
	return material, nil
}

// publicTrustedRoot fetches the roots of the public Sigstore, checked against the
// root of trust that is built in. The library takes no context.
func publicTrustedRoot(ctx context.Context) (root.TrustedMaterial, error) {
	type answer struct {
		material *root.TrustedRoot
		err      error
	}
	got := make(chan answer, 1)
	go func() {
		material, err := root.FetchTrustedRoot()
		got <- answer{material, err}
	}()
	var a answer
	select {
	case a = <-got:
	case <-ctx.Done():
		a.err = ctx.Err()
	}
	if a.err != nil {
		return nil, pipeline.Unavailable("sign/trusted-root-unavailable",
			"fetching the roots of the public Sigstore: %w; without access to it, give a trusted_root.json", bounded{a.err})
	}
	return a.material, nil
}
