// step-ca is the real authority out of Debian's golang-github-smallstep-certificates-dev, called as
// the released program is:
//
//	step-ca CA.JSON --password-file F
package main

import (
	"bytes"
	"errors"
	"log"
	"net/http"
	"os"

	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/ca"

	// The registries that ca.json names by "type".
	_ "github.com/smallstep/certificates/cas"
)

func main() {
	if len(os.Args) != 4 || os.Args[2] != "--password-file" {
		log.Fatal("usage: step-ca CA.JSON --password-file F")
	}
	if err := serve(os.Args[1], os.Args[3]); err != nil && !errors.Is(err, http.ErrServerClosed) {
		log.Fatal("step-ca: ", err)
	}
}

func serve(path, passwordFile string) error {
	cfg, err := config.LoadConfiguration(path)
	if err != nil {
		return err
	}
	password, err := os.ReadFile(passwordFile)
	if err != nil {
		return err
	}
	authority, err := ca.New(cfg, ca.WithConfigFile(path), ca.WithPassword(bytes.TrimSpace(password)))
	if err != nil {
		return err
	}
	go ca.StopReloaderHandler(authority) // SIGHUP reloads, SIGINT and SIGTERM end
	return authority.Run()
}
