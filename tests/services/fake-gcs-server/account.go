package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"strings"
)

// A service account, known by the key that it signs its tokens with.
type account struct {
	key *rsa.PublicKey
}

// Makes an account, and the file by which clients are it.
func newAccount(file string) (*account, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	content, err := json.Marshal(map[string]string{
		"type":           "service_account",
		"client_email":   "tests@shoal.example",
		"private_key_id": "1",
		"private_key":    string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		return nil, err
	}
	return &account{key: &key.PublicKey}, os.WriteFile(file, content, 0o600)
}

// Whether it has signed the token of a request: header and claims, a dot, and their signature (RFC 7515, RS256).
func (a *account) signed(authorization string) bool {
	token := strings.TrimPrefix(authorization, "Bearer ")
	end := strings.LastIndex(token, ".")
	if end < 0 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(token[end+1:])
	if err != nil {
		return false
	}
	digest := sha256.Sum256([]byte(token[:end]))
	return rsa.VerifyPKCS1v15(a.key, crypto.SHA256, digest[:], signature) == nil
}
