// kruise-stand-in behaves as the controller of Kruise Rollouts 0.6.2 does, its defects included, for Deployments that are
// released in partition style without traffic; for tests against members that keep that controller.
//
//	kruise-stand-in --kubeconfig F --webhook-port N [--stale 0.7] [--lag 300ms] [--conflicts 0.2] [--seed N]
//
// It needs the CRDs (config/crds) and makes the rest of an installation itself: the namespace kruise-rollout, the manager's
// Deployment, and the webhook configurations, which point here. --stale is how many approvals, of one, are overwritten by a
// status that was computed from an older copy; what happens to them is in the output, one line each.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Its waits, and what goes wrong how often.
type options struct {
	kubeconfig string
	port       int
	stale      float64
	lag        time.Duration
	conflicts  float64
	seed       uint64
}

const (
	grace      = 3 * time.Second        // between looks of the Rollout controller
	batchGrace = 2 * time.Second        // … and of the BatchRelease controller
	lookAgain  = 100 * time.Millisecond // in place of watches
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kruise-stand-in:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	var o options
	flags := flag.NewFlagSet("kruise-stand-in", flag.ContinueOnError)
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "of the cluster, with every right")
	flags.IntVar(&o.port, "webhook-port", 0, "on loopback; the webhooks are called there")
	flags.Float64Var(&o.stale, "stale", 0.7, "share of approvals that an older copy of the status overwrites")
	flags.DurationVar(&o.lag, "lag", 300*time.Millisecond, "how old a copy may be when it is written back")
	flags.Float64Var(&o.conflicts, "conflicts", 0.2, "share of status writes that begin with a conflict")
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "of what goes wrong")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if o.kubeconfig == "" || o.port == 0 {
		return errors.New("usage: kruise-stand-in --kubeconfig F --webhook-port N")
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst, config.UserAgent = 100, 200, "kruise-rollout"
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	untyped, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log.SetFlags(log.LstdFlags | log.Lmicroseconds)
	c := &controller{options: o, typed: typed, untyped: untyped, random: rand.New(rand.NewPCG(o.seed, 1)), known: map[string]*memory{}}
	if err := c.serve(ctx); err != nil {
		return err
	}
	log.Printf("seed %d", o.seed)
	for {
		if err := c.look(ctx); err != nil && ctx.Err() == nil {
			log.Print(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookAgain):
		}
	}
}
