{{- define "backstage.waitForPostgres" -}}
- name: wait-for-postgres
  image: {{ include "backstage.pinned" .Values.waitForPostgres }}
  imagePullPolicy: IfNotPresent
  command:
    - sh
    - -c
    - |
      deadline=$(($(date +%s) + TIMEOUT))
      # tls asks as a client does that wants TLS, and the server answers S or N. A database that is about to be restarted with TLS
      # would refuse a Backstage that starts now, and Backstage does not try again.
      tls() {
        [ "$PGSSLMODE" = disable ] || [ "$(printf '\000\000\000\010\004\322\026\057' | nc -w 2 "$POSTGRES_HOST" "$POSTGRES_PORT" 2>/dev/null | head -c 1)" = S ]
      }
      ready() {
        reason="does not accept connections"
        nc -z -w 2 "$POSTGRES_HOST" "$POSTGRES_PORT" || return 1
        reason="offers no TLS"
        tls
      }
      until ready; do
        if [ "$(date +%s)" -ge "$deadline" ]; then
          # The pod's status shows what is written to this file.
          echo "PostgreSQL $reason at $POSTGRES_HOST:$POSTGRES_PORT after $TIMEOUT s: check that the host name resolves, that the server runs, and that no NetworkPolicy is in the way" | tee /dev/termination-log >&2
          exit 1
        fi
        echo "waiting for $POSTGRES_HOST:$POSTGRES_PORT"
        sleep 2
      done
  env:
    {{- range $key := list "POSTGRES_HOST" "POSTGRES_PORT" }}
    - name: {{ $key }}
      valueFrom:
        configMapKeyRef:
          name: {{ include "backstage.name" $ }}-env-config
          key: {{ $key }}
    {{- end }}
    - name: PGSSLMODE
      value: {{ include "backstage.sslMode" . | default "disable" }}
    - name: TIMEOUT
      value: {{ .Values.waitForPostgres.timeoutSeconds | int | quote }}
  resources:
    {{- toYaml .Values.waitForPostgres.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.containerSecurityContext | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
{{- end -}}
