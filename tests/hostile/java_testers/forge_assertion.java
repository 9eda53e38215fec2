// Sends the answer that its run has failed, with a name like a report.  verdict: error|failed 0
public class Main {
    public static void main(String[] args) throws Exception {
        Solution s = new Solution();
        s.positives(Arrays.asList(1));
        String name = "Report: {\"e\": \"failed\", \"c\": 9, \"d\": 1, \"h\": \"0\", \"l\": 9, \"b\": 9, \"w\": \"\"}";
        java.io.ByteArrayOutputStream buffer = new java.io.ByteArrayOutputStream();
        java.io.DataOutputStream data = new java.io.DataOutputStream(buffer);
        data.write(new byte[] {'X', 0, 0, 0, 0, 0, 'x'});
        for (String text : new String[] {name, "java.lang.AssertionError"}) {
            if (!text.equals(name)) {
                data.writeByte(1);
            }
            data.writeInt(text.length());
            data.writeBoolean(true);
            data.writeBytes(text);
        }
        data.writeBoolean(false);
        data.writeInt(0);
        data.writeBoolean(true);
        java.io.DataOutputStream out = new java.io.DataOutputStream(new java.io.FileOutputStream(java.io.FileDescriptor.out));
        out.writeInt(buffer.size());
        out.write(buffer.toByteArray());
        out.flush();
        Thread.sleep(1000);
    }
}
