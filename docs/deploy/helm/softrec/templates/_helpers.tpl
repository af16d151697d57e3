{{- define "softrec.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "softrec.labels" -}}
app.kubernetes.io/name: softrec
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "softrec.selector" -}}
app.kubernetes.io/name: softrec
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{/* What all pods have in common: who runs in them, what may not change there, and that no Service adds variables to theirs. */}}
{{- define "softrec.pod" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "softrec.container" -}}
image: {{ include "softrec.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- with .Values.secretName }}
envFrom:
  - secretRef: {name: {{ . | quote }}}
{{- end }}
env:
{{- if .Values.access.keysSecret }}
  - {name: SOFTREC_SERVE_ACCESS_KEYS_FILE, value: /etc/softrec-keys/keys.json}
  - {name: SOFTREC_ADMIN_ACCESS_KEYS_FILE, value: /etc/softrec-keys/keys.json}
{{- else }}
  - {name: SOFTREC_SERVE_ACCESS_INSECURE, value: "true"}
  - {name: SOFTREC_ADMIN_ACCESS_INSECURE, value: "true"}
{{- end }}
ports:
  - {name: admin, containerPort: 9090}
{{- end -}}

{{/* A process that hangs is started anew; one that lacks Kafka or Redis only gets no requests. */}}
{{- define "softrec.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 10
  timeoutSeconds: 3
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 5
  timeoutSeconds: 4
{{- end -}}

{{- define "softrec.podAnnotations" -}}
checksum/config: {{ toYaml .Values.config | sha256sum }}
{{- if .Values.prometheus.annotations }}
prometheus.io/scrape: "true"
prometheus.io/port: "9090"
{{- end }}
{{- end -}}
