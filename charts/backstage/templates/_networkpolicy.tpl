{{- define "backstage.namespacePeer" -}}
- namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: In
        values: {{ . | toJson }}
{{- end -}}

{{- define "backstage.addressPeers" -}}
{{- range . }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- end -}}

{{- /* One rule {direction, peers, ports}: without peers from or to anywhere. */ -}}
{{- define "backstage.policyRule" -}}
- ports:
    {{- range .ports }}
    - port: {{ . | int }}
      protocol: TCP
    {{- end }}
  {{- with .peers }}
  {{ $.direction }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- /* Who reaches Backstage's port. */ -}}
{{- define "backstage.ingressPeers" -}}
{{- $p := .Values.networkPolicy -}}
{{- with concat $p.ingressNamespaces $p.apiServer.namespaces | uniq }}
{{ include "backstage.namespacePeer" . }}
{{- end }}
{{- include "backstage.addressPeers" $p.apiServer.addresses }}
- podSelector:
    matchLabels:
      {{- include "backstage.clientLabels" . | nindent 6 }}
{{- with $p.extraPeers }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Pods of the namespace that ask Backstage, a test for example, carry this label. */ -}}
{{- define "backstage.clientLabels" -}}
{{ include "backstage.name" . }}-client: "true"
{{- end -}}

{{- /* Where Backstage connects to. */ -}}
{{- define "backstage.egressRules" -}}
{{- $p := .Values.networkPolicy -}}
{{- $egress := $p.egress -}}
{{- range $port := $egress.dnsPorts }}
- ports:
    {{- range $protocol := list "UDP" "TCP" }}
    - port: {{ $port | int }}
      protocol: {{ $protocol }}
    {{- end }}
  {{- with $egress.dnsPeers }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- if .Values.postgresql.enabled }}
- ports:
    - port: 5432
      protocol: TCP
  to:
    - podSelector:
        matchLabels:
          app: {{ .Values.postgresql.name }}
{{- else }}
{{ include "backstage.policyRule" (dict "direction" "to" "ports" (list .Values.config.postgresPort) "peers" $egress.databasePeers) }}
{{- end }}
{{- if and (eq (include "backstage.automountToken" .) "true") $p.apiServer.ports }}
{{ include "backstage.policyRule" (dict "direction" "to" "ports" $p.apiServer.ports "peers" (include "backstage.addressPeers" $p.apiServer.addresses | fromYamlArray)) }}
{{- end }}
{{- with $egress.httpsPorts }}
{{ include "backstage.policyRule" (dict "direction" "to" "ports" . "peers" $egress.httpsPeers) }}
{{- end }}
{{- with $egress.extraRules }}
{{ toYaml . }}
{{- end }}
{{- end -}}
