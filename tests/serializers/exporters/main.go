// Confluent's own Go client of the registry's API makes an exporter and leads it through its life: each call's answer
// must be what the client expects.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	registry "github.com/confluentinc/schema-registry-sdk-go"
)

func check(what string, err error) {
	if err == nil {
		return
	}
	if answered, ok := err.(registry.GenericOpenAPIError); ok {
		err = fmt.Errorf("%w: %s", err, answered.Body())
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
	os.Exit(1)
}

func expect(what string, given, wanted interface{}) {
	if fmt.Sprint(given) != fmt.Sprint(wanted) {
		check(what, fmt.Errorf("%v instead of %v", given, wanted))
	}
}

func main() {
	source, destination := os.Args[1], os.Args[2]
	configuration := registry.NewConfiguration()
	configuration.Servers[0].URL = source
	api, ctx := registry.NewAPIClient(configuration).DefaultApi, context.Background()

	body := registry.NewCreateExporterRequest()
	body.SetName("from-go")
	body.SetSubjects([]string{"*"})
	body.SetContextType("CUSTOM")
	body.SetContext("go")
	body.SetSubjectRenameFormat("${subject}-copy")
	body.SetConfig(map[string]string{"schema.registry.url": destination})
	created, _, err := api.CreateExporter(ctx).Body(*body).Execute()
	check("create", err)
	expect("created", created.GetName(), "from-go")
	_, refused, err := api.CreateExporter(ctx).Body(*body).Execute()
	expect("created twice", refused.StatusCode, http.StatusConflict)

	names, _, err := api.GetExporters(ctx).Execute()
	check("list", err)
	expect("listed", names, []string{"from-go"})
	info, _, err := api.GetExporterInfo(ctx, "from-go").Execute()
	check("describe", err)
	shown := []string{info.GetContextType(), info.GetContext(), info.GetSubjectRenameFormat(), info.GetSubjects()[0]}
	expect("described", shown, []string{"CUSTOM", "go", "${subject}-copy", "*"})

	for started := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		status, _, err := api.GetExporterStatus(ctx, "from-go").Execute()
		check("status", err)
		if status.GetState() == "RUNNING" {
			break
		}
		if time.Since(started) > 20*time.Second {
			check("status", fmt.Errorf("%s: %s", status.GetState(), status.GetTrace()))
		}
	}

	_, refused, _ = api.ResetExporter(ctx, "from-go").Execute()
	expect("reset while it runs", refused.StatusCode, http.StatusConflict)
	for _, step := range []func() (registry.UpdateExporterResponse, *http.Response, error){
		func() (registry.UpdateExporterResponse, *http.Response, error) {
			return api.PauseExporter(ctx, "from-go").Execute()
		},
		func() (registry.UpdateExporterResponse, *http.Response, error) {
			return api.ResetExporter(ctx, "from-go").Execute()
		},
		func() (registry.UpdateExporterResponse, *http.Response, error) {
			update := registry.NewUpdateExporterRequest()
			update.SetSubjects([]string{"other*"})
			return api.PutExporter(ctx, "from-go").Body(*update).Execute()
		},
		func() (registry.UpdateExporterResponse, *http.Response, error) {
			config := map[string]string{"schema.registry.url": destination + "/"}
			return api.PutExporterConfig(ctx, "from-go").Body(config).Execute()
		},
		func() (registry.UpdateExporterResponse, *http.Response, error) {
			return api.ResumeExporter(ctx, "from-go").Execute()
		},
		func() (registry.UpdateExporterResponse, *http.Response, error) {
			return api.PauseExporter(ctx, "from-go").Execute()
		},
	} {
		answer, _, err := step()
		check("change", err)
		expect("changed", answer.GetName(), "from-go")
	}
	config, _, err := api.GetExporterConfig(ctx, "from-go").Execute()
	check("config", err)
	expect("configured", config, map[string]string{"schema.registry.url": destination + "/"})
	_, err = api.DeleteExporter(ctx, "from-go").Execute()
	check("delete", err)
	_, missing, _ := api.GetExporterInfo(ctx, "from-go").Execute()
	expect("deleted", missing.StatusCode, http.StatusNotFound)
}
