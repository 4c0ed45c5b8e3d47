{{- /* Which Runs, in which namespaces. */ -}}
{{- define "runstamp.runs" -}}
rules:
  - operations: [CREATE]
    apiGroups: [tekton.dev]
    apiVersions: [v1, v1beta1]
    resources: [pipelineruns, taskruns]
    scope: Namespaced
  - operations: [CREATE]
    apiGroups: [tekton.dev]
    apiVersions: [v1beta1]
    resources: [customruns]
    scope: Namespaced
matchPolicy: Equivalent
namespaceSelector:
  matchExpressions:
    - {key: runstamp.dev/exclude, operator: DoesNotExist}
    - {key: kubernetes.io/metadata.name, operator: NotIn, values: [{{ .Release.Namespace | quote }}]}
{{- end }}

{{- /* Whether a pipelines controller asks. */ -}}
{{- define "runstamp.isController" -}}
request.userInfo.username in [{{ range $index, $name := .Values.controllers }}{{ if $index }}, {{ end }}'{{ $name }}'{{ end }}]
{{- end }}
