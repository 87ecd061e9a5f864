// shop: somebody's own service, of which live mode knows nothing but its image, its port and what its answers look like.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	version := os.Getenv("SHOP")
	server := &http.Server{Addr: ":9000", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "shop/"+version)
		if r.URL.Path != "/healthz" {
			time.Sleep(3 * time.Millisecond)
		}
		fmt.Fprintf(w, "shop %s\n", version)
	})}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	go func() {
		if err := server.ListenAndServe(); err != http.ErrServerClosed {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}()
	<-told
	drained, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	server.Shutdown(drained)
}
