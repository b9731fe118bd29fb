{{- define "backstage.superuserSecret" -}}
{{- with .Values.postgresql -}}
{{- if and .superuser.existingSecret .superuser.password -}}
{{- fail "postgresql.superuser has both password and existingSecret: give one of them" -}}
{{- end -}}
{{- .superuser.existingSecret | default (printf "%s-superuser" .name) -}}
{{- end -}}
{{- end -}}

{{- /* "on" when the chart's own PostgreSQL offers TLS. */ -}}
{{- define "backstage.databaseTls" -}}
{{- $tls := .Values.postgresql.tls -}}
{{- if and (eq $tls.mode "secret") (not $tls.existingSecret) -}}
{{- fail "postgresql.tls.existingSecret is missing: postgresql.tls.mode is secret, so name the Secret with tls.crt, tls.key and ca.crt" -}}
{{- end -}}
{{- ternary "off" "on" (eq $tls.mode "none") -}}
{{- end -}}

{{- /* How Backstage's driver connects, in the words of PGSSLMODE; empty leaves it to the configuration of the application. */ -}}
{{- define "backstage.sslMode" -}}
{{- if .Values.config.postgresSslMode -}}
{{- .Values.config.postgresSslMode -}}
{{- else if .Values.postgresql.enabled -}}
{{- get (dict "none" "disable" "self-made" "no-verify" "secret" "verify-full") .Values.postgresql.tls.mode -}}
{{- end -}}
{{- end -}}

{{- define "backstage.databaseEnv" -}}
{{- with include "backstage.sslMode" . }}
- name: PGSSLMODE
  value: {{ . }}
{{- end }}
{{- end -}}
