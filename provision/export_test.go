package provision

// UpgradeCommand is what root types to upgrade a data folder.
func UpgradeCommand(bin, data, cluster, server string) string {
	return upgradeCommand(initOptions{bin: bin, data: data, superuser: "postgres"}, cluster, server)
}
