// The address of the service is replaced by the test.
export const metadata = { title: 'Cổng thông tin', metadataBase: new URL('https://portal.example.vn') };

export default function Layout({ children }) {
  return (
    <html lang="vi">
      <head><script async src="http://truycap.invalid/counter.js" data-site="portal" /></head>
      <body>
        {children}
        <div data-truycap-box="" />
      </body>
    </html>
  );
}
