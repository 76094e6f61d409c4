// Package catalog holds the types of services: for each one its options, and
// what each instance generates: processes, files, folders, probes.
//
// [Options] declares services.<type>.<instance> for the module system, and
// [Generate] reads the evaluated options into a project. A type is a value of
// [ServiceType]; each has a file of its own. The package is pure: it reads no
// file, looks at no machine and executes nothing. Whatever depends on where a
// service runs stays a place in a project.Text.
//
// Most types are a table, which says as data what an instance comes to: words with places
// in them, endpoints, files, readiness. What a table would only say worse has a function:
//
//   - nginx, caddy, apache-httpd: configurations are languages with blocks, and
//     addresses in them depend on each other
//   - postgresql, mysql: accounts, rules of access, replication and set-up that resumes
//   - redis, redis-cluster: the user's lines are read before ours are written, since
//     several of them change what listens and how to ask for readiness
//   - rabbitmq: which endpoints there are depends on its plugins, and Erlang's ports on
//     each other
//   - custom: it has no server of which anything could be known
//
// What is wrong with an instance beyond the types of its options is kept
// with the other errors of the evaluation, by Config.Errorf.
package catalog

//go:generate go test . -run "^Test(ServicePages|NixOSOptions)$" -update
