{{/* Who makes the certificates: cert-manager, self-contained or none. */}}
{{- define "bobravoz.certificates" -}}
{{- $mode := .Values.certificates.mode -}}
{{- if not (has $mode (list "auto" "cert-manager" "self-contained" "none")) -}}
{{- fail (printf "certificates.mode is auto, cert-manager, self-contained or none, not %q" $mode) -}}
{{- end -}}
{{- if ne $mode "auto" -}}
{{- $mode -}}
{{- else if .Capabilities.APIVersions.Has "cert-manager.io/v1" -}}
cert-manager
{{- else -}}
self-contained
{{- end -}}
{{- end -}}
