package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	namespace       = "kruise-rollout"
	manager         = "kruise-rollout-controller-manager"
	mutatingName    = "kruise-rollout-mutating-webhook-configuration"
	validatingName  = "kruise-rollout-validating-webhook-configuration"
	managerImage    = "openkruise/kruise-rollout:v0.6.2"
	deploymentPath  = "/mutate-apps-v1-deployment"
	unifiedPath     = "/mutate-unified-workload"
	validatingPath  = "/validate-rollouts-kruise-io-rollout"
	controlPlaneKey = "control-plane"
)

// Serves the webhooks, and only then points the configurations here.
func (c *controller) serve(ctx context.Context) error {
	authority, certificate, err := newCertificate()
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", c.port), &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc(deploymentPath, c.admitDeployment)
	mux.HandleFunc(unifiedPath, admitAll)
	mux.HandleFunc(validatingPath, admitAll)
	go func() { log.Print(http.Serve(listener, mux)) }()
	if err := c.installManager(ctx); err != nil {
		return err
	}
	return c.installWebhooks(ctx, authority)
}

// The authority's certificate in PEM, and one of its for loopback.
func newCertificate() ([]byte, tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "webhook-cert-ca"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(10 * 365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return authority, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// What an installation is recognised by; its pods run nothing here.
func (c *controller) installManager(ctx context.Context) error {
	_, err := c.typed.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil && !errors.IsAlreadyExists(err) {
		return err
	}
	labels := map[string]string{controlPlaneKey: "controller-manager"}
	one := int32(1)
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: manager, Namespace: namespace, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "manager", Image: managerImage}}},
			},
		},
	}
	if _, err := c.typed.AppsV1().Deployments(namespace).Create(ctx, d, metav1.CreateOptions{}); err != nil && !errors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

func (c *controller) client(path string, authority []byte) admissionv1.WebhookClientConfig {
	url := fmt.Sprintf("https://127.0.0.1:%d%s", c.port, path)
	return admissionv1.WebhookClientConfig{URL: &url, CABundle: authority}
}

func rule(operations []admissionv1.OperationType, group string, versions []string, resource string) []admissionv1.RuleWithOperations {
	return []admissionv1.RuleWithOperations{{
		Operations: operations,
		Rule:       admissionv1.Rule{APIGroups: []string{group}, APIVersions: versions, Resources: []string{resource}},
	}}
}

func (c *controller) installWebhooks(ctx context.Context, authority []byte) error {
	fail, none := admissionv1.Fail, admissionv1.SideEffectClassNone
	update := []admissionv1.OperationType{admissionv1.Update}
	both := []admissionv1.OperationType{admissionv1.Create, admissionv1.Update}
	managed := []metav1.LabelSelectorRequirement{{Key: workloadType, Operator: metav1.LabelSelectorOpExists}}
	notItself := metav1.LabelSelectorRequirement{Key: controlPlaneKey, Operator: metav1.LabelSelectorOpNotIn, Values: []string{"controller-manager"}}
	mutating := &admissionv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: mutatingName},
		Webhooks: []admissionv1.MutatingWebhook{
			{
				Name: "mdeployment.kb.io", ClientConfig: c.client(deploymentPath, authority), FailurePolicy: &fail, SideEffects: &none,
				Rules:                   rule(update, "apps", []string{"v1"}, "deployments"),
				ObjectSelector:          &metav1.LabelSelector{MatchExpressions: append(managed, notItself)},
				AdmissionReviewVersions: []string{"v1", "v1beta1"},
			},
			{
				Name: "munifiedworkload.kb.io", ClientConfig: c.client(unifiedPath, authority), FailurePolicy: &fail, SideEffects: &none,
				Rules:                   rule(both, "*", []string{"*"}, "*"),
				ObjectSelector:          &metav1.LabelSelector{MatchExpressions: managed},
				AdmissionReviewVersions: []string{"v1", "v1beta1"},
			},
		},
	}
	validating := &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: validatingName},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name: "vrollout.kb.io", ClientConfig: c.client(validatingPath, authority), FailurePolicy: &fail, SideEffects: &none,
			Rules:                   rule(both, "rollouts.kruise.io", []string{"v1alpha1", "v1beta1"}, "rollouts"),
			AdmissionReviewVersions: []string{"v1", "v1beta1"},
		}},
	}
	kinds := c.typed.AdmissionregistrationV1()
	if live, err := kinds.MutatingWebhookConfigurations().Get(ctx, mutatingName, metav1.GetOptions{}); err == nil {
		if !bytes.Equal(live.Webhooks[0].ClientConfig.CABundle, authority) {
			mutating.ResourceVersion = live.ResourceVersion
			if _, err := kinds.MutatingWebhookConfigurations().Update(ctx, mutating, metav1.UpdateOptions{}); err != nil {
				return err
			}
		}
	} else if _, err := kinds.MutatingWebhookConfigurations().Create(ctx, mutating, metav1.CreateOptions{}); err != nil {
		return err
	}
	if live, err := kinds.ValidatingWebhookConfigurations().Get(ctx, validatingName, metav1.GetOptions{}); err == nil {
		validating.ResourceVersion = live.ResourceVersion
		_, err := kinds.ValidatingWebhookConfigurations().Update(ctx, validating, metav1.UpdateOptions{})
		return err
	}
	_, err := kinds.ValidatingWebhookConfigurations().Create(ctx, validating, metav1.CreateOptions{})
	return err
}
