# The versions of the tools that development and CI use; `make` installs them
# into bin/tools from their Go modules. Libraries are pinned in go.mod.
GOLANGCI_LINT_VERSION := v2.15.0
ACT_VERSION           := v0.2.89
HELM_VERSION          := v3.22.0
BUILDKIT_VERSION      := v0.32.2
BUILDX_VERSION        := v0.30.1
TRIVY_VERSION         := v0.74.0
