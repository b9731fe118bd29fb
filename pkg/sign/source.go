package sign

import (
	"encoding/json"
	"slices"
	"strings"
)

// builtFrom are the repositories that a provenance (SLSA v1) names as its source, each
// once; none when it names none. Where it stands is the builder's to say: GitHub's own has
// a workflow, those of slsa-github-generator a source (slsa-framework/slsa-verifier#623),
// BuildKit a configSource (fouteox/fadogen#40), and Google Cloud Build a
// buildConfigSource.
func builtFrom(predicate json.RawMessage) (repositories []string) {
	var p struct {
		BuildDefinition struct {
			ExternalParameters struct {
				Workflow, BuildConfigSource struct{ Repository string }
				ConfigSource                struct{ URI string }
				Source                      json.RawMessage
			}
		}
	}
	if json.Unmarshal(predicate, &p) != nil {
		return nil
	}
	said := p.BuildDefinition.ExternalParameters
	for _, one := range []string{said.Workflow.Repository, said.BuildConfigSource.Repository, said.ConfigSource.URI, addressIn(said.Source)} {
		if one != "" && !slices.ContainsFunc(repositories, func(other string) bool { return sameRepository(one, other) }) {
			repositories = append(repositories, one)
		}
	}
	return repositories
}

// addressIn is a source, which is an address, or an object with one.
func addressIn(source json.RawMessage) string {
	var object struct{ URI string }
	var address string
	if json.Unmarshal(source, &address) == nil {
		return address
	}
	_ = json.Unmarshal(source, &object) // what is no object names nothing
	return object.URI
}

// sameRepository reports whether two addresses are of one repository.
func sameRepository(a, b string) bool { return strings.EqualFold(repositoryIn(a), repositoryIn(b)) }

// repositoryIn is the address of the repository in one that may say more: git+ before it,
// .git at its end, and a reference behind @ or #.
func repositoryIn(address string) string {
	address, _, _ = strings.Cut(strings.TrimPrefix(address, "git+"), "#")
	scheme, rest, found := strings.Cut(address, "://")
	if found {
		host, folder, _ := strings.Cut(rest, "/")
		folder, _, _ = strings.Cut(folder, "@")
		address = scheme + "://" + host + "/" + folder
	}
	return strings.TrimSuffix(strings.TrimSuffix(address, "/"), ".git")
}
