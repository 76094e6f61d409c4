package catalog

import "strings"

// mimeTypes is the mime.types that nginx includes: the types of what people
// serve, so that no file of the machine is needed.
func mimeTypes() string {
	var b strings.Builder
	b.WriteString("types {\n")
	for _, row := range strings.Split(strings.TrimSpace(mimeTable), "\n") {
		b.WriteString("  " + strings.TrimSpace(row) + ";\n")
	}
	b.WriteString("}\n")
	return b.String()
}

const mimeTable = `
text/html html htm shtml
text/css css
text/xml xml
text/plain txt log conf
text/markdown md markdown
text/csv csv
text/calendar ics
text/vtt vtt
text/javascript js mjs
application/json json map
application/ld+json jsonld
application/manifest+json webmanifest
application/atom+xml atom
application/rss+xml rss
application/xhtml+xml xhtml
application/wasm wasm
application/yaml yaml yml
application/toml toml
application/pdf pdf
application/postscript ps eps ai
application/rtf rtf
application/epub+zip epub
application/zip zip
application/gzip gz tgz
application/x-bzip2 bz2
application/x-xz xz
application/zstd zst
application/x-tar tar
application/x-7z-compressed 7z
application/vnd.rar rar
application/java-archive jar war ear
application/msword doc
application/vnd.ms-excel xls
application/vnd.ms-powerpoint ppt
application/vnd.openxmlformats-officedocument.wordprocessingml.document docx
application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx
application/vnd.openxmlformats-officedocument.presentationml.presentation pptx
application/vnd.oasis.opendocument.text odt
application/vnd.oasis.opendocument.spreadsheet ods
application/vnd.oasis.opendocument.presentation odp
application/vnd.apple.mpegurl m3u8
application/vnd.android.package-archive apk
application/vnd.sqlite3 sqlite sqlite3
application/x-ndjson ndjson jsonl
application/x-x509-ca-cert der pem crt
application/octet-stream bin exe dll deb rpm dmg iso img msi pt onnx safetensors gguf
image/jpeg jpeg jpg
image/png png
image/gif gif
image/webp webp
image/avif avif
image/svg+xml svg svgz
image/bmp bmp
image/tiff tif tiff
image/x-icon ico
image/heic heic
font/woff woff
font/woff2 woff2
font/ttf ttf
font/otf otf
application/vnd.ms-fontobject eot
audio/mpeg mp3
audio/ogg ogg oga opus
audio/wav wav
audio/flac flac
audio/mp4 m4a
audio/aac aac
audio/midi mid midi kar
video/mp4 mp4 m4v
video/mpeg mpeg mpg
video/webm webm
video/ogg ogv
video/quicktime mov
video/x-msvideo avi
video/x-matroska mkv
video/mp2t ts
video/3gpp 3gp 3gpp
`
