{{- /* Variables of the user's. Two of one name in a list are merged by nobody in a way that one could foresee. */ -}}
{{- define "backstage.extraEnv" -}}
{{- range .Values.extraEnv }}
{{- if has .name (list "NODE_ENV" "NODE_OPTIONS" "PGSSLMODE" "NODE_EXTRA_CA_CERTS") }}
{{- fail (printf "extraEnv sets %s, which the chart sets itself: use config.nodeEnv, nodeOptions, config.postgresSslMode or caBundle" .name) }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{- toYaml . }}
{{- end }}
{{- end -}}
