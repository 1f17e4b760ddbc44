// lws-controllers runs the controllers and webhooks of LeaderWorkerSets in one cluster, without gang scheduling. The cluster must have
// their definition.
//
//	lws-controllers --kubeconfig F --webhook-port P
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	leaderworkersetv1 "sigs.k8s.io/lws/api/leaderworkerset/v1"
	"sigs.k8s.io/lws/pkg/controllers"
	"sigs.k8s.io/lws/pkg/webhooks"
)

func main() {
	// controller-runtime's own flag is --kubeconfig.
	port := flag.Int("webhook-port", 9443, "TCP port of the webhooks, on loopback")
	flag.Parse()
	ctrl.SetLogger(klog.Background())
	if err := run(*port); err != nil {
		fmt.Fprintln(os.Stderr, "lws-controllers:", err)
		os.Exit(1)
	}
}

func run(port int) error {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(leaderworkersetv1.AddToScheme(scheme))
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 200, 400
	authority, certificate, err := newCertificate()
	if err != nil {
		return err
	}
	all, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: metricsserver.Options{BindAddress: "0"},
		WebhookServer: webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: port, TLSOpts: []func(*tls.Config){func(c *tls.Config) {
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }
		}}}),
	})
	if err != nil {
		return err
	}
	if err := controllers.SetupIndexes(all.GetFieldIndexer()); err != nil {
		return err
	}
	events := all.GetEventRecorderFor("leaderworkerset")
	if err := controllers.NewLeaderWorkerSetReconciler(all.GetClient(), scheme, events).SetupWithManager(all); err != nil {
		return err
	}
	if err := controllers.NewPodReconciler(all.GetClient(), scheme, events, nil).SetupWithManager(all); err != nil {
		return err
	}
	if err := webhooks.SetupLeaderWorkerSetWebhook(all); err != nil {
		return err
	}
	if err := webhooks.NewPodWebhook(nil).Setup(all); err != nil {
		return err
	}
	direct, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	ctx := ctrl.SetupSignalHandler()
	if err := install(ctx, direct, port, authority); err != nil {
		return err
	}
	return all.Start(ctx)
}

// The webhooks, as the project's own manifests have them: config/webhook/manifests.yaml of the module.
func install(ctx context.Context, c client.Client, port int, authority []byte) error {
	const group, sets = "leaderworkerset.x-k8s.io", "leaderworkersets"
	fails, none := admissionv1.Fail, admissionv1.SideEffectClassNone
	at := func(path string) admissionv1.WebhookClientConfig {
		url := fmt.Sprintf("https://127.0.0.1:%d%s", port, path)
		return admissionv1.WebhookClientConfig{URL: &url, CABundle: authority}
	}
	rule := func(group, resource string, operations ...admissionv1.OperationType) []admissionv1.RuleWithOperations {
		return []admissionv1.RuleWithOperations{{Operations: operations,
			Rule: admissionv1.Rule{APIGroups: []string{group}, APIVersions: []string{"v1"}, Resources: []string{resource}}}}
	}
	name := metav1.ObjectMeta{Name: "lws"}
	mutate := func(name, path string, rules []admissionv1.RuleWithOperations) admissionv1.MutatingWebhook {
		return admissionv1.MutatingWebhook{Name: name, ClientConfig: at(path), Rules: rules, FailurePolicy: &fails, SideEffects: &none,
			AdmissionReviewVersions: []string{"v1"}}
	}
	validate := func(name, path string, rules []admissionv1.RuleWithOperations) admissionv1.ValidatingWebhook {
		return admissionv1.ValidatingWebhook{Name: name, ClientConfig: at(path), Rules: rules, FailurePolicy: &fails, SideEffects: &none,
			AdmissionReviewVersions: []string{"v1"}}
	}
	create, update := admissionv1.Create, admissionv1.Update
	for _, each := range []client.Object{
		&admissionv1.MutatingWebhookConfiguration{ObjectMeta: name, Webhooks: []admissionv1.MutatingWebhook{
			mutate("mleaderworkerset.kb.io", "/mutate-leaderworkerset-x-k8s-io-v1-leaderworkerset", rule(group, sets, create, update)),
			mutate("mpod.kb.io", "/mutate--v1-pod", rule("", "pods", create)),
		}},
		&admissionv1.ValidatingWebhookConfiguration{ObjectMeta: name, Webhooks: []admissionv1.ValidatingWebhook{
			validate("vleaderworkerset.kb.io", "/validate-leaderworkerset-x-k8s-io-v1-leaderworkerset", rule(group, sets, create, update)),
			validate("vpod.kb.io", "/validate--v1-pod", rule("", "pods", create, update)),
		}},
	} {
		if err := c.Delete(ctx, each); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		if err := c.Create(ctx, each); err != nil {
			return err
		}
	}
	return nil
}

// One for 127.0.0.1 that signs itself, as PEM for those who ask.
func newCertificate() ([]byte, tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return authority, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
