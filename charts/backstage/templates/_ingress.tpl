{{- /* What ingress-nginx reads, and Traefik's provider for it; other controllers read annotations of their own. */ -}}
{{- define "backstage.nginxAnnotations" -}}
{{- $n := .Values.ingress.nginx -}}
{{- $read := dict
      "force-ssl-redirect" (and .Values.ingress.tls.enabled $n.forceSSLRedirect | toString)
      "proxy-body-size" $n.proxyBodySize
      "proxy-buffer-size" $n.proxyBufferSize
      "proxy-read-timeout" ($n.proxyReadTimeoutSeconds | int | toString)
      "proxy-send-timeout" ($n.proxySendTimeoutSeconds | int | toString) -}}
{{- with $n.limitRequestsPerSecond | int -}}
{{- $_ := set $read "limit-rps" (toString .) -}}
{{- $_ := set $read "limit-burst-multiplier" ($n.limitBurstMultiplier | int | toString) -}}
{{- end -}}
{{- with $n.limitConnections | int -}}{{- $_ := set $read "limit-connections" (toString .) -}}{{- end -}}
{{- if $n.cors.enabled -}}
{{- $_ := set $read "enable-cors" "true" -}}
{{- $_ := set $read "cors-allow-origin" (include "backstage.entry" (dict "root" . "key" "CORS_ORIGIN")) -}}
{{- $_ := set $read "cors-allow-credentials" (toString $n.cors.allowCredentials) -}}
{{- $_ := set $read "cors-allow-methods" (join ", " $n.cors.allowMethods) -}}
{{- end -}}
{{- /* Controllers go to the pods past the Service, and so past its affinity: a cookie does the same for them. */ -}}
{{- if eq .Values.service.sessionAffinity "ClientIP" -}}
{{- $_ := set $read "affinity" "cookie" -}}
{{- $_ := set $read "session-cookie-name" (printf "%s-pod" (include "backstage.name" .)) -}}
{{- $_ := set $read "session-cookie-max-age" (.Values.service.sessionAffinityTimeoutSeconds | int | toString) -}}
{{- $_ := set $read "session-cookie-path" "/" -}}
{{- $_ := set $read "session-cookie-samesite" "Lax" -}}
{{- $_ := set $read "session-cookie-secure" (toString .Values.ingress.tls.enabled) -}}
{{- $_ := set $read "session-cookie-change-on-failure" "true" -}}
{{- end -}}
{{- with $n.clientCertificates -}}
{{- if .secretName -}}
{{- $_ := set $read "auth-tls-secret" (contains "/" .secretName | ternary .secretName (printf "%s/%s" $.Release.Namespace .secretName)) -}}
{{- $_ := set $read "auth-tls-verify-client" .verify -}}
{{- end -}}
{{- end -}}
{{- range $key, $value := $read }}
nginx.ingress.kubernetes.io/{{ $key }}: {{ $value | quote }}
{{- end -}}
{{- end -}}

{{- define "backstage.ingressAnnotations" -}}
{{- $i := .Values.ingress -}}
{{- $all := dict -}}
{{- if $i.nginx.enabled -}}{{- $all = include "backstage.nginxAnnotations" . | fromYaml -}}{{- end -}}
{{- /* cert-manager refuses an Ingress that names an issuer in two ways, or a kind beside cluster-issuer. */ -}}
{{- if and $i.tls.enabled $i.certManager.issuer -}}
{{- $_ := set $all "cert-manager.io/issuer" $i.certManager.issuer -}}
{{- with $i.certManager.issuerKind -}}{{- $_ := set $all "cert-manager.io/issuer-kind" . -}}{{- end -}}
{{- with $i.certManager.issuerGroup -}}{{- $_ := set $all "cert-manager.io/issuer-group" . -}}{{- end -}}
{{- else if and $i.tls.enabled $i.certManager.clusterIssuer -}}
{{- $_ := set $all "cert-manager.io/cluster-issuer" $i.certManager.clusterIssuer -}}
{{- end -}}
{{- mergeOverwrite $all ($i.annotations | default dict) | toYaml -}}
{{- end -}}

{{- /* The Secret with the certificate; "" is the controller's own certificate, which no issuer can make. */ -}}
{{- define "backstage.tlsSecret" -}}
{{- $i := .Values.ingress -}}
{{- if and (not $i.tls.secretName) (or $i.certManager.issuer $i.certManager.clusterIssuer) -}}
{{- fail "ingress.tls.secretName is missing: cert-manager keeps the certificate in it; without cert-manager empty ingress.certManager.clusterIssuer, too" -}}
{{- end -}}
{{- $i.tls.secretName -}}
{{- end -}}
