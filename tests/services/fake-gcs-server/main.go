// Google Cloud Storage for a test: fake-gcs-server, behind what clients of the XML API need and it does not have.
// Objects, their generations and the condition that a new one is put under are fake-gcs-server's. From this file come
// multipart uploads, lists that begin in the middle, the XML of errors, and that requests have to be signed by the service
// account whose file it writes.
//
//	fake-gcs-server FOLDER BUCKET
//
// writes FOLDER/account.json, which may do everything, and FOLDER/stranger.json, which may do nothing, makes the bucket,
// and prints where it listens. What it stores is gone when it ends.
package main

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

// The host by which fake-gcs-server knows requests to the XML API.
const xmlHost = "storage.googleapis.com"

type server struct {
	inner   http.Handler
	bucket  string
	account *account
	mutex   sync.Mutex
	// Parts of each unfinished upload, by its id and their numbers.
	uploads map[string]map[int][]byte
	started int
}

func main() {
	if len(os.Args) != 3 {
		log.Fatalf("usage: %s FOLDER BUCKET", os.Args[0])
	}
	folder, bucket := os.Args[1], os.Args[2]
	account, err := newAccount(filepath.Join(folder, "account.json"))
	check(err)
	_, err = newAccount(filepath.Join(folder, "stranger.json"))
	check(err)
	fake, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, PublicHost: xmlHost})
	check(err)
	fake.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: bucket})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Printf("listens on %s\n", listener.Addr())
	check(http.Serve(listener, &server{
		inner: fake.HTTPHandler(), bucket: bucket, account: account, uploads: map[string]map[int][]byte{},
	}))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	key, err := url.PathUnescape(key)
	query := r.URL.Query()
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, "InvalidURI")
	case r.Header.Get("Authorization") == "":
		refuse(w, http.StatusUnauthorized, "AuthenticationRequired")
	case !s.account.signed(r.Header.Get("Authorization")):
		refuse(w, http.StatusForbidden, "AccessDenied")
	case bucket != s.bucket:
		refuse(w, http.StatusNotFound, "NoSuchBucket")
	case r.Method == http.MethodPost && query.Has("uploads"):
		s.startUpload(w)
	case query.Has("uploadId"):
		s.continueUpload(w, r, key, query)
	case r.Method == http.MethodPut:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			refuse(w, http.StatusBadRequest, "IncompleteBody")
			return
		}
		if etag, ok := s.insert(w, key, body, r.Header.Get("x-goog-if-generation-match")); ok {
			w.Header().Set("ETag", etag)
		}
	case query.Has("start-after"):
		s.listAfter(w, r, query.Get("start-after"))
	default:
		r.Host = xmlHost
		s.inner.ServeHTTP(w, r)
	}
}

// Lists objects whose names come after one.
func (s *server) listAfter(w http.ResponseWriter, r *http.Request, after string) {
	r.Host = xmlHost
	all := httptest.NewRecorder()
	s.inner.ServeHTTP(all, r)
	var list fakestorage.ListBucketResult
	if err := xml.Unmarshal(all.Body.Bytes(), &list); err != nil {
		refuse(w, http.StatusInternalServerError, "InternalError")
		return
	}
	list.Contents = slices.DeleteFunc(list.Contents, func(object fakestorage.Contents) bool { return object.Key <= after })
	list.KeyCount = len(list.Contents)
	answer(w, list)
}

// Puts an object, where its generation is the one that is asked for: 0 for one that is not there. Where it is not put,
// the answer is written.
func (s *server) insert(w http.ResponseWriter, key string, body []byte, generation string) (string, bool) {
	query := url.Values{"uploadType": {"media"}, "name": {key}}
	if generation != "" {
		query.Set("ifGenerationMatch", generation)
	}
	target := fmt.Sprintf("/upload/storage/v1/b/%s/o?%s", s.bucket, query.Encode())
	answer := httptest.NewRecorder()
	s.inner.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, target, bytes.NewReader(body)))
	var made struct{ Etag, Generation string }
	switch {
	case answer.Code == http.StatusPreconditionFailed:
		refuse(w, answer.Code, "PreconditionFailed")
	case answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &made) != nil:
		refuse(w, http.StatusInternalServerError, "InternalError")
	default:
		w.Header().Set("x-goog-generation", made.Generation)
		return strconv.Quote(strings.Trim(made.Etag, `"`)), true
	}
	return "", false
}

func (s *server) startUpload(w http.ResponseWriter) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.started++
	id := fmt.Sprintf("upload-%d", s.started)
	s.uploads[id] = map[int][]byte{}
	answer(w, struct {
		XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
		UploadId string
	}{UploadId: id})
}

// Takes a part of an upload, makes an object of all of them, or throws them away.
func (s *server) continueUpload(w http.ResponseWriter, r *http.Request, key string, query url.Values) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(w, http.StatusBadRequest, "IncompleteBody")
		return
	}
	id := query.Get("uploadId")
	s.mutex.Lock()
	defer s.mutex.Unlock()
	parts, ok := s.uploads[id]
	if !ok {
		refuse(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	switch r.Method {
	case http.MethodPut:
		number, err := strconv.Atoi(query.Get("partNumber"))
		if err != nil {
			refuse(w, http.StatusBadRequest, "InvalidArgument")
			return
		}
		parts[number] = body
		w.Header().Set("ETag", fmt.Sprintf("\"%x\"", md5.Sum(body)))
	case http.MethodPost:
		if etag, ok := s.insert(w, key, joined(parts), ""); ok {
			delete(s.uploads, id)
			answer(w, struct {
				XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
				ETag    string
			}{ETag: etag})
		}
	case http.MethodDelete:
		delete(s.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	default:
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
	}
}

func joined(parts map[int][]byte) []byte {
	var whole []byte
	for _, number := range slices.Sorted(maps.Keys(parts)) {
		whole = append(whole, parts[number]...)
	}
	return whole
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/xml")
	if err := xml.NewEncoder(w).Encode(body); err != nil {
		log.Print(err)
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
}
