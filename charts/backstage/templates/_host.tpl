{{- /* An entry of the ConfigMap. */ -}}
{{- define "backstage.entry" -}}
{{- get (include "backstage.configData" .root | fromYaml) .key -}}
{{- end -}}

{{- /* The host name at which browsers find the page, without a port. */ -}}
{{- define "backstage.host" -}}
{{- $url := urlParse (include "backstage.entry" (dict "root" . "key" "APP_BASE_URL")) -}}
{{- regexReplaceAll ":[0-9]+$" $url.host "" -}}
{{- end -}}
