package record

// Built says how an image was made and what travelled for it.
type Built struct {
	Builder Builder      `json:"builder"` // layers or dockerfile
	Reason  string       `json:"reason"`  // why this builder, for people
	Base    Image        `json:"base"`    // of the first platform; empty for a Dockerfile
	Layers  []BuiltLayer `json:"layers"`  // of each platform, bottom to top
	// Sent counts the bytes that went to the registries, also in vain.
	Sent     int64    `json:"sentBytes"`
	Retries  int      `json:"retries"` // requests that were tried again
	Warnings []string `json:"warnings,omitempty"`
}

// BuiltLayer is one layer of a built image.
type BuiltLayer struct {
	Platform string `json:"platform"` // "linux/amd64"
	Name     string `json:"name"`     // base, dependencies, application, configuration or dockerfile
	Digest   string `json:"digest"`   // of the compressed bytes
	Size     int64  `json:"bytes"`    // compressed
	// Origin is "sent", "present" (the registry had it), "mounted" (from another of
	// its repositories) or "reused" (of an earlier build, by reference).
	Origin string `json:"origin"`
}

// MovedTag is a tag that was to point to the image, and what became of it.
type MovedTag struct {
	Tag   string `json:"tag"`
	Moved bool   `json:"moved"`          // it was written by this run
	Here  bool   `json:"here"`           // it points to the image now
	From  string `json:"from,omitempty"` // the digest that it had before
	Why   string `json:"why,omitempty"`  // why it stays elsewhere
}

// TagsHere are the tags that point to the image now, in the order of the rules.
func (r Record) TagsHere() []string {
	var tags []string
	for _, t := range r.Tags {
		if t.Here {
			tags = append(tags, t.Tag)
		}
	}
	return tags
}
