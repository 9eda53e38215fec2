// guarantee: the secret cannot be read from standard input any more
// expect: error
import java.io.*;
import java.util.*;

class Solution {
    public int next(int n) {
        try (FileInputStream in = new FileInputStream(FileDescriptor.in);
                FileOutputStream out = new FileOutputStream(FileDescriptor.out)) {
            byte[] secret = new byte[16];
            if (in.available() > 0) {
                in.read(secret);
            }
            out.write(secret);
            out.write(new byte[] {0, 1, 0, 0});
        } catch (IOException error) {
            return 1;
        }
        Runtime.getRuntime().halt(0);
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
