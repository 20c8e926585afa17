// step-ca-init makes the folder of a step-ca for tests: root, intermediate, a JWK and an ACME
// provisioner, and a ca.json whose claims allow certificates that live for seconds.
//
//	step-ca-init --name N --dns A,B --address HOST:PORT --password-file F DIR
//
// It prints the SHA-256 fingerprint of the root. Builds with step-ca 0.19 and 0.20 as packaged.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/certificates/pki"
)

var (
	name     = flag.String("name", "hotcert test", "name of the CA, in its certificates' subjects")
	dns      = flag.String("dns", "127.0.0.1,localhost", "names and addresses the CA answers for")
	address  = flag.String("address", "127.0.0.1:9000", "address to listen on")
	password = flag.String("password-file", "", "file with the password of all its keys")
	jwk      = flag.String("provisioner", "redis", "name of the JWK provisioner")
	lifetime = flag.Duration("lifetime", time.Minute, "default lifetime of a certificate")
	longest  = flag.Duration("max", 24*time.Hour, "longest lifetime of a certificate")
	backdate = flag.Duration("backdate", 0, "how far notBefore lies in the past")
	expired  = flag.Bool("renew-expired", true, "renew certificates that have expired")
	renewals = flag.Bool("renew", true, "renew certificates at all")
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("step-ca-init: ")
	flag.Parse()
	if flag.NArg() != 1 || *password == "" {
		log.Fatal("usage: step-ca-init --password-file F [options] DIR")
	}
	inFolder(flag.Arg(0))
	secret, err := os.ReadFile(*password)
	check(err)
	fmt.Println(initialise(bytes.TrimSpace(secret)))
}

// inFolder makes dir the STEPPATH, which step's packages read before main() is called.
func inFolder(dir string) {
	dir, err := filepath.Abs(dir)
	check(err)
	if os.Getenv("STEPPATH") == dir {
		return
	}
	check(os.MkdirAll(dir, 0o700))
	check(os.Setenv("STEPPATH", dir))
	check(syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
}

func initialise(secret []byte) string {
	ca, err := pki.New(apiv1.Options{Type: apiv1.SoftCAS, IsCreator: true},
		pki.WithAddress(*address), pki.WithDNSNames(strings.Split(*dns, ",")),
		pki.WithProvisioner(*jwk), pki.WithACME())
	check(err)
	check(ca.GenerateKeyPairs(secret))
	root, err := ca.GenerateRootCertificate(*name, *name, *name, secret)
	check(err)
	check(ca.GenerateIntermediateCertificate(*name, *name, *name, root, secret))

	check(ca.WriteFiles())
	cfg, err := ca.GenerateConfig(setClaims)
	check(err)
	check(cfg.Save(ca.GetCAConfigPath()))
	return ca.GetRootFingerprint()
}

func setClaims(c *config.Config) error {
	disabled := !*renewals
	c.AuthorityConfig.Backdate = duration(*backdate)
	c.AuthorityConfig.Claims = &provisioner.Claims{
		MinTLSDur:               duration(time.Second),
		MaxTLSDur:               duration(*longest),
		DefaultTLSDur:           duration(*lifetime),
		DisableRenewal:          &disabled,
		AllowRenewalAfterExpiry: expired,
	}
	return nil
}

func duration(d time.Duration) *provisioner.Duration {
	return &provisioner.Duration{Duration: d}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
