{{- /* A redirect on the listener of the page itself would lead to itself, and a page on that of the redirect win over it. */ -}}
{{- define "backstage.listenersApart" -}}
{{- range $redirect := .Values.httpRoute.redirectParentRefs -}}
{{- range $page := $.Values.httpRoute.parentRefs -}}
{{- if eq (include "backstage.gateway" (dict "ref" $redirect "root" $)) (include "backstage.gateway" (dict "ref" $page "root" $)) -}}
{{- $every := or (not (include "backstage.listener" $redirect)) (not (include "backstage.listener" $page)) -}}
{{- if or $every (eq (include "backstage.listener" $redirect) (include "backstage.listener" $page)) -}}
{{- fail (printf "httpRoute.redirectParentRefs and httpRoute.parentRefs take the same listener of Gateway %s: a redirect there has no end, or none is made; give each a sectionName of its own, for example http and https" $redirect.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "backstage.gateway" -}}
{{ .ref.kind | default "Gateway" }}/{{ .ref.namespace | default .root.Release.Namespace }}/{{ .ref.name }}
{{- end -}}

{{- /* Which of its listeners; "" is every one. */ -}}
{{- define "backstage.listener" -}}
{{- with .sectionName -}}{{- printf "section %s" . -}}{{- else -}}{{- with .port -}}{{- printf "port %d" (int .) -}}{{- end -}}{{- end -}}
{{- end -}}
