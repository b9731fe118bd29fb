package record

// Verified is an image whose signature was checked: what deploy wants instead of
// an [Image]. Its fields are private; values come from [NewVerified], which only
// pkg/sign calls (internal/archtest proves it).
type Verified struct {
	image    Image
	identity string
	unsafe   bool
}

// NewVerified states that image was signed by identity: a certificate identity,
// or "key sha256:…" for a public key. Only pkg/sign may call it.
func NewVerified(image Image, identity string) Verified {
	return Verified{image: image, identity: identity}
}

// NewUnsignedUnsafe lets an image through whose signature was not checked. Only
// pkg/sign may call it, for the option --allow-unsigned-unsafe.
func NewUnsignedUnsafe(image Image) Verified {
	return Verified{image: image, unsafe: true}
}

// Image is the image that was checked.
func (v Verified) Image() Image { return v.image }

// Identity says who signed, "" when the check was waived.
func (v Verified) Identity() string { return v.identity }

// Unsafe reports whether the signature check was waived.
func (v Verified) Unsafe() bool { return v.unsafe }
