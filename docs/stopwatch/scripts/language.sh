openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout server.key -out ca.pem
gleann keys add app --right admin --index '*' --keys keys.json --out app.key
gleann serve --data library --listen 127.0.0.1:50051 --keys keys.json --tls-cert ca.pem --tls-key server.key &
gleann health --server grpcs://localhost:50051 --ca ca.pem --seconds 60
gleann index create items --dim 64 --server grpcs://localhost:50051 --ca ca.pem --api-key-file app.key
gleann rows put items vectors.npy --server grpcs://localhost:50051 --ca ca.pem --api-key-file app.key
cp -r examples/node client
unzip -q -d client/protos gleann-protos.zip
npm install --prefix client
cd client && node search.js localhost:50051 ../ca.pem ../app.key items "$(cat ../query.txt)"
