// Definitions of others that tests apply as they are published: see ../README.md.
module aviary.dev/test/real/definitions

go 1.26.0

require (
	istio.io/api v1.29.0
	sigs.k8s.io/gateway-api v1.6.3
	sigs.k8s.io/gateway-api-inference-extension v1.0.1
)
