// kruise-controllers runs Kruise's own controllers of CloneSets, StatefulSets and DaemonSets in one cluster, and nothing else of it: no
// webhooks, no daemon. The cluster must have its definitions.
//
//	kruise-controllers --kubeconfig F
package main

import (
	"flag"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	appsv1alpha1 "github.com/openkruise/kruise/apis/apps/v1alpha1"
	appsv1beta1 "github.com/openkruise/kruise/apis/apps/v1beta1"
	policyv1alpha1 "github.com/openkruise/kruise/apis/policy/v1alpha1"
	"github.com/openkruise/kruise/pkg/client"
	"github.com/openkruise/kruise/pkg/controller/cloneset"
	"github.com/openkruise/kruise/pkg/controller/daemonset"
	"github.com/openkruise/kruise/pkg/controller/statefulset"
	utilclient "github.com/openkruise/kruise/pkg/util/client"
	"github.com/openkruise/kruise/pkg/util/fieldindex"
)

func main() {
	// controller-runtime's own flag is --kubeconfig.
	flag.Parse()
	ctrl.SetLogger(klog.Background())
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "kruise-controllers:", err)
		os.Exit(1)
	}
}

func run() error {
	scheme := runtime.NewScheme()
	for _, each := range []*runtime.Scheme{scheme, clientgoscheme.Scheme} {
		for _, add := range []func(*runtime.Scheme) error{appsv1alpha1.AddToScheme, appsv1beta1.AddToScheme, policyv1alpha1.AddToScheme} {
			utilruntime.Must(add(each))
		}
	}
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 200, 400
	if err := client.NewRegistry(config); err != nil {
		return err
	}
	all, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:   scheme,
		Metrics:  metricsserver.Options{BindAddress: "0"},
		NewCache: utilclient.NewCache,
	})
	if err != nil {
		return err
	}
	if err := fieldindex.RegisterFieldIndexes(all.GetCache()); err != nil {
		return err
	}
	for _, add := range []func(manager.Manager) error{cloneset.Add, statefulset.Add, daemonset.Add} {
		if err := add(all); err != nil {
			return err
		}
	}
	return all.Start(ctrl.SetupSignalHandler())
}
