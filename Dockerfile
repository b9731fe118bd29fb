# The backstage-production image by BuildKit, for the builder `dockerfile`. Copy it,
# with .dockerignore, to the root of a repository that create-app made; it takes Yarn
# and npm.
#
#   BASE_IMAGE      the image that runs; its Node.js version is the one to build with
#   BUILD_IMAGE     the image that builds: the same Node.js and C library
#   BUILD_PACKAGES  what native modules are compiled with; empty when there are none
#   INSTALL_FLAGS   for the install of the production dependencies
#   secret npmrc    an .npmrc with the credentials of a private registry
ARG BASE_IMAGE=docker.io/library/node:24-trixie-slim
ARG BUILD_IMAGE=${BASE_IMAGE}

FROM ${BUILD_IMAGE} AS toolchain
ARG BUILD_PACKAGES="python3 g++ make libsqlite3-dev"
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked <<'SH'
set -eu
if [ -n "$BUILD_PACKAGES" ]; then
  apt-get update
  apt-get install --yes --no-install-recommends $BUILD_PACKAGES
fi
SH

# What decides the dependencies and nothing else: the installs below stay in the
# cache while only code changes.
FROM toolchain AS manifests
WORKDIR /workspace
COPY . .
RUN <<'SH'
set -eu
mkdir /manifests
{
  find . \( -name node_modules -o -name dist \) -prune -o -name package.json -print
  for f in yarn.lock package-lock.json backstage.json .yarnrc.yml .npmrc .yarn/releases .yarn/patches .yarn/plugins patches; do
    if [ -e "$f" ]; then echo "./$f"; fi
  done
} > /tmp/manifests
tar -cf - -T /tmp/manifests | tar -xf - -C /manifests
SH

FROM toolchain AS build
WORKDIR /workspace
COPY --from=manifests /manifests ./
RUN --mount=type=cache,target=/root/.yarn/berry/cache --mount=type=cache,target=/root/.npm --mount=type=secret,id=npmrc,target=/root/.npmrc <<'SH'
set -eu
if ! grep -q '"build:backend"' package.json; then
  echo "package.json has no script build:backend: there is nothing to build"
elif [ -f yarn.lock ]; then
  yarn install --immutable
else
  npm ci --no-audit --no-fund
fi
SH
COPY . .
RUN <<'SH'
set -eu
mkdir -p /out/skeleton /out/bundle
if grep -q '"build:backend"' package.json; then
  run="npm run"
  if [ -f yarn.lock ]; then run="yarn run"; fi
  if grep -q '"tsc"' package.json; then $run tsc; fi
  $run build:backend
fi
for f in yarn.lock package-lock.json package.json backstage.json .yarnrc.yml .npmrc .yarn patches; do
  if [ -e "$f" ]; then cp -a "$f" /out/skeleton/; fi
done
if [ -f packages/backend/dist/bundle.tar.gz ]; then
  tar -xzf packages/backend/dist/skeleton.tar.gz -C /out/skeleton
  tar -xzf packages/backend/dist/bundle.tar.gz -C /out/bundle
else
  tar --exclude=node_modules --exclude=src -cf - packages | tar -xf - -C /out/bundle
fi
# npm wants each package that the lockfile names.
if [ ! -f yarn.lock ]; then
  find . -name node_modules -prune -o -name dist -prune -o -name package.json -print | tar -cf - -T - | tar -xf - -C /out/skeleton --skip-old-files
fi
for f in catalog catalog-info.yaml examples; do
  if [ -e "$f" ]; then cp -a "$f" /out/bundle/; fi
done
SH

FROM toolchain AS dependencies
ARG INSTALL_FLAGS=""
WORKDIR /app
COPY --from=build /out/skeleton ./
RUN --mount=type=cache,target=/root/.yarn/berry/cache --mount=type=cache,target=/root/.npm --mount=type=secret,id=npmrc,target=/root/.npmrc <<'SH'
set -eu
if [ -f yarn.lock ]; then
  yarn workspaces focus --all --production $INSTALL_FLAGS
else
  npm ci --omit=dev --no-audit --no-fund $INSTALL_FLAGS
fi
# Settings of the installers may hold credentials, and nothing here runs them again.
rm -rf .npmrc .yarnrc.yml .yarn patches node_modules/.cache
SH

FROM ${BASE_IMAGE}
ENV NODE_ENV=production NODE_OPTIONS=--no-node-snapshot
# A number: Kubernetes cannot tell that a user with a name is not root.
USER 1000:1000
WORKDIR /app
# Owned from the start: a chown afterwards would store every file twice.
COPY --from=dependencies --chown=1000:1000 /app ./
COPY --from=build --chown=1000:1000 /out/bundle ./
COPY --chown=1000:1000 app-config*.yaml ./
EXPOSE 7007
CMD ["node", "packages/backend", "--config", "app-config.yaml", "--config", "app-config.production.yaml"]
