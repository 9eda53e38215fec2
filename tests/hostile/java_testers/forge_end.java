// Sends the answer that its run has ended, then goes on.  verdict: passed|error 0
public class Main {
    public static void main(String[] args) throws Exception {
        Solution s = new Solution();
        s.positives(Arrays.asList(1));
        java.io.FileOutputStream out = new java.io.FileOutputStream(java.io.FileDescriptor.out);
        out.write(new byte[] {0, 0, 0, 7, 'R', 0, 0, 0, 0, 0, '0'});
        out.flush();
        s.positives(Arrays.asList(2));
        throw new AssertionError();
    }
}
