{{- define "backstage.waitForPostgres" -}}
- name: wait-for-postgres
  image: {{ .Values.waitForPostgres.image }}
  imagePullPolicy: IfNotPresent
  command:
    - sh
    - -c
    - |
      deadline=$(($(date +%s) + TIMEOUT))
      until nc -z -w 2 "$POSTGRES_HOST" "$POSTGRES_PORT"; do
        if [ "$(date +%s)" -ge "$deadline" ]; then
          # The pod's status shows what is written to this file.
          echo "PostgreSQL does not accept connections at $POSTGRES_HOST:$POSTGRES_PORT after $TIMEOUT s: check that the host name resolves, that the server runs, and that no NetworkPolicy is in the way" | tee /dev/termination-log >&2
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
    - name: TIMEOUT
      value: {{ .Values.waitForPostgres.timeoutSeconds | int | quote }}
  resources:
    {{- toYaml .Values.waitForPostgres.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.containerSecurityContext | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
{{- end -}}
