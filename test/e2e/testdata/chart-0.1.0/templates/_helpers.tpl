{{- define "backstage.name" -}}
{{- .Values.nameOverride | default "backstage" -}}
{{- end -}}

{{- define "backstage.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: {{ include "backstage.name" .root }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "backstage.backendLabels" -}}
{{- include "backstage.labels" (dict "root" . "name" (include "backstage.name" .) "component" "backend") }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{- define "backstage.databaseLabels" -}}
{{- include "backstage.labels" (dict "root" . "name" .Values.postgresql.name "component" "database") }}
{{- end -}}

{{- define "backstage.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "backstage.name" .) -}}
{{- end -}}

{{- define "backstage.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ required "image.digest is missing: give the sha256:… of the image to run (stagecrew deploy --image does), or, outside the pipeline, image.tag" .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "backstage.pullPolicy" -}}
{{- .Values.image.pullPolicy | default (ternary "IfNotPresent" "Always" (ne .Values.image.digest "")) -}}
{{- end -}}

{{- define "backstage.nodeOptions" -}}
{{- join " " .Values.nodeOptions -}}
{{- end -}}

{{- define "backstage.postgresHost" -}}
{{- if .Values.config.postgresHost -}}
{{- .Values.config.postgresHost -}}
{{- else if .Values.postgresql.enabled -}}
{{- printf "%s.%s.svc.%s" .Values.postgresql.name .Release.Namespace .Values.clusterDomain -}}
{{- else -}}
{{- fail "config.postgresHost is missing: postgresql.enabled is false, so the chart runs no database; name the server to use" -}}
{{- end -}}
{{- end -}}

{{- /* The entries of the ConfigMap; pods restart when they change, and only then. */ -}}
{{- define "backstage.configData" -}}
{{- $c := .Values.config -}}
{{- $frontend := $c.frontendUrl | default $c.backendUrl -}}
{{- $data := dict
      "NODE_ENV" $c.nodeEnv
      "NODE_OPTIONS" (include "backstage.nodeOptions" .)
      "LOG_LEVEL" $c.logLevel
      "TZ" $c.timezone
      "POSTGRES_HOST" (include "backstage.postgresHost" .)
      "POSTGRES_PORT" ($c.postgresPort | int | toString)
      "POSTGRES_DB" $c.postgresDb
      "BACKEND_URL" $c.backendUrl
      "FRONTEND_URL" $frontend
      "APP_BASE_URL" ($c.appBaseUrl | default $frontend)
      "BACKEND_BASE_URL" ($c.backendBaseUrl | default $c.backendUrl)
      "CORS_ORIGIN" ($c.corsOrigin | default $frontend) -}}
{{- mergeOverwrite $data ($c.extra | default dict) | toYaml -}}
{{- end -}}

{{- define "backstage.secretName" -}}
{{- .Values.secrets.existingSecret | default (printf "%s-secrets" (include "backstage.name" .)) -}}
{{- end -}}

{{- /* The entries of the Secret, in plain text. */ -}}
{{- define "backstage.secretData" -}}
{{- $s := .Values.secrets -}}
{{- $data := dict
      "POSTGRES_USER" (required "secrets.postgresUser is missing: name the database's user, or a Secret of yours in secrets.existingSecret" $s.postgresUser)
      "POSTGRES_PASSWORD" (required "secrets.postgresPassword is missing: it has no default; give it in a values file that is not committed, or name a Secret of yours in secrets.existingSecret" $s.postgresPassword) -}}
{{- range $key, $value := dict "GITHUB_TOKEN" $s.githubToken "GITHUB_CLIENT_ID" $s.githubClientId "GITHUB_CLIENT_SECRET" $s.githubClientSecret -}}
{{- if $value -}}{{- $_ := set $data $key $value -}}{{- end -}}
{{- end -}}
{{- mergeOverwrite $data ($s.extra | default dict) | toYaml -}}
{{- end -}}

{{- define "backstage.secretChecksum" -}}
{{- if .Values.secrets.existingSecret -}}
{{- printf "%s %s" .Values.secrets.existingSecret .Values.secrets.existingSecretVersion | sha256sum -}}
{{- else -}}
{{- /* Annotations are read by more people than Secrets: a slow function, so that nobody finds a weak password by guessing. */ -}}
{{- derivePassword 1 "maximum" (include "backstage.secretData" .) .Release.Name .Release.Namespace | sha256sum -}}
{{- end -}}
{{- end -}}

{{- define "backstage.probe" -}}
httpGet:
  path: {{ .path }}
  port: http
initialDelaySeconds: {{ .initialDelaySeconds | int }}
periodSeconds: {{ .periodSeconds | int }}
timeoutSeconds: {{ .timeoutSeconds | int }}
failureThreshold: {{ .failureThreshold | int }}
{{- end -}}
