{{- /* Where the certificates of further authorities come from, {kind, name, key}; empty for none. */ -}}
{{- define "backstage.trustSource" -}}
{{- $ca := .Values.caBundle -}}
{{- if and $ca.configMap $ca.secret -}}
{{- fail "caBundle has both configMap and secret: give one of them" -}}
{{- else if $ca.configMap -}}
{{- dict "kind" "configMap" "field" "name" "name" $ca.configMap "key" $ca.key | toYaml -}}
{{- else if $ca.secret -}}
{{- dict "kind" "secret" "field" "secretName" "name" $ca.secret "key" $ca.key | toYaml -}}
{{- else if and .Values.postgresql.enabled (eq .Values.postgresql.tls.mode "secret") -}}
{{- dict "kind" "secret" "field" "secretName" "name" .Values.postgresql.tls.existingSecret "key" "ca.crt" | toYaml -}}
{{- end -}}
{{- end -}}

{{- define "backstage.trustEnv" -}}
{{- with include "backstage.trustSource" . }}
- name: NODE_EXTRA_CA_CERTS
  value: /etc/backstage-trust/ca.crt
{{- end }}
{{- end -}}

{{- define "backstage.trustMount" -}}
{{- with include "backstage.trustSource" . }}
- name: trust
  mountPath: /etc/backstage-trust
  readOnly: true
{{- end }}
{{- end -}}

{{- /* One key alone: the Secret of a certificate holds a private key beside it. */ -}}
{{- define "backstage.trustVolume" -}}
{{- with include "backstage.trustSource" . | fromYaml }}
- name: trust
  {{ .kind }}:
    {{ .field }}: {{ .name }}
    items:
      - key: {{ .key }}
        path: ca.crt
{{- end }}
{{- end -}}
